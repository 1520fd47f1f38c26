import Bounds
import Cluster
import Glibc
import Quantities
import TopologyFile

/// What a run's folder holds of interest to bounds.
struct RunRecord {
    let plan: ClusterPlan
    /// The requests that were served; those that were rejected or failed cost nothing, so that bounds on the others still hold.
    private(set) var requests: [BoundRequest] = []
    private var firstTokens = 0.0
    private var latencies = 0.0
    /// When the last one ended, in seconds.
    private(set) var end = 0.0
    private let path: String

    /// Whether a path is a folder, which a topology is not.
    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    init(_ path: String) throws {
        self.path = path
        let file = path + "/requests.csv"
        guard access(file, F_OK) == 0 else {
            throw Diagnostic(place: Place(file: path), message: "found a folder without requests.csv, expected the folder of a run")
        }
        plan = try TopologyReader.read(path: path + "/topology.yaml").get().plan
        let table = try CSVFile(
            file, columns: ["arrival_s", "prompt_tokens", "output_tokens", "first_token_s", "finish_s", "status"], what: "a run's requests")
        try table.forEachRow { row throws(Diagnostic) in try take(row) }
    }

    private mutating func take(_ row: CSVFile.Row) throws(Diagnostic) {
        let status = row.text(5)
        guard status == "done" else {
            guard ["rejected", "failed"].contains(status) else { throw row.mistake(5, "done, rejected or failed") }
            return
        }
        let arrival = try row.time(0)
        let lengths = (try row.integer(1, in: 1...Int(Int32.max)), try row.integer(2, in: 1...Int(Int32.max)))
        let (first, last) = (try row.time(3), try row.time(4))
        guard arrival <= first, first <= last else { throw row.mistake(4, "no time before the first token's, and that not before the arrival") }
        requests.append(BoundRequest(arrival: arrival, prompt: lengths.0, output: lengths.1))
        firstTokens += seconds(first - arrival)
        latencies += seconds(last - arrival)
        end = max(end, seconds(last))
    }

    /// Mean times of the requests that were served, in seconds.
    var meanTTFT: Double { firstTokens / Double(max(1, requests.count)) }
    var meanLatency: Double { latencies / Double(max(1, requests.count)) }

    /// Seconds that the workers of a pool, which begin and end their iterations together, spent in them; `nil` without that record.
    func iterationTime(of pool: String) throws -> Double? {
        let file = path + "/iterations.csv"
        guard access(file, F_OK) == 0 else { return nil }
        let names = Set((0..<(plan.pools.first { $0.name == pool }?.count ?? 0)).map { "\(pool)-\($0)" })
        var spent = 0.0
        // Ranks of one iteration have its start.
        let table = try CSVFile(file, columns: ["node", "start_s", "end_s"], what: "a run's iterations")
        var spans: [Instant: Instant] = [:]
        try table.forEachRow { row throws(Diagnostic) in
            guard names.contains(row.text(0)) else { return }
            let (begin, stop) = (try row.time(1), try row.time(2))
            spans[begin] = max(spans[begin] ?? stop, stop)
        }
        for (begin, stop) in spans.sorted(by: { $0.key < $1.key }) { spent += seconds(max(0, stop - begin)) }
        return spent
    }
}
