import CSystem
import Cluster
import Glibc
import Quantities
import Records
import TraceFiles
import Transport
import Workload

/// A cluster that stays up, as its launcher sees it: what it has been told and has not done yet, and who waits for its end.
public final class ClusterControl {
    /// What is to happen at a time.
    enum Due {
        case command(ClusterCommand)
        case feed(RequestFeed)
    }

    /// Under which number its socket is watched; no node has it.
    static let eventNumber = Int.max >> 1

    private let registry: ClusterRegistry
    private let wantedName: String?
    /// Told once that the cluster is up; `false` when nobody was there to hear it.
    private let onUp: (ClusterRegistry.Entry) -> Bool
    private var entry: ClusterRegistry.Entry?
    private var finalFolder = ""
    private var server: ClusterServer?
    private var due = EventHeap<Due>()
    private var lastSequence: UInt32 = 0
    private var waiting: [(handle: ClusterServer.Handle, format: ClusterCommand.SummaryFormat)] = []
    /// Whether the cluster is to end when every request has.
    private(set) var isDraining = false
    /// Whether the virtual clock stands still until it is told otherwise.
    var isHeld: Bool
    /// Submissions so far, and requests of theirs that the client was given.
    var submissions: UInt64 = 0
    var fed: Int64 = 0

    /// - Parameters:
    ///   - name: what it is to be called; `nil`: like its topology, with a number if need be.
    ///   - isHeld: whether the virtual clock stands still at first.
    ///   - onUp: called when every node is ready.
    public init(registry: ClusterRegistry, name: String?, isHeld: Bool = false, onUp: @escaping (ClusterRegistry.Entry) -> Bool) {
        self.registry = registry
        wantedName = name
        self.isHeld = isHeld
        self.onUp = onUp
    }

    /// The folder that the records are written to.
    var folder: String { entry?.folder ?? "" }
    var name: String { entry?.name ?? "" }

    /// Whether it was told that the cluster is up.
    public private(set) var isAnnounced = false

    // MARK: - From start to end

    /// The folder is there: standard output and error go to a log in it from now on.
    func begin(in folder: RunFolder, movedTo path: String, _ plan: ClusterPlan) throws(SystemError) {
        let log = folder.path + "/logs/launcher.log"
        let descriptor = testbed_open(log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        guard descriptor >= 0, dup2(descriptor, 1) >= 0, dup2(descriptor, 2) >= 0 else { throw SystemError("open \(log)", code: errno) }
        close(descriptor)
        finalFolder = Self.absolute(path)
        entry = ClusterRegistry.Entry(name: wantedName ?? plan.name, launcher: getpid(), socket: "", folder: Self.absolute(folder.path))
    }

    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let present = getcwd(nil, 0) else { return path }
        defer { free(present) }
        return String(cString: present) + "/" + path
    }

    /// Opens the socket. Answers the descriptor to be watched.
    func listen(in directory: String) throws(SystemError) -> Int32 {
        let path = directory + "/cluster"
        let server = try ClusterServer(path: path)
        self.server = server
        entry?.socket = path
        return server.descriptor
    }

    /// Every node is ready: enters the cluster into the registry. Answers why it could not.
    func announce() -> String? {
        guard var entry else { return nil }
        let wanted = entry.name
        do {
            for number in 1...1000 {
                if number > 1 { entry.name = "\(wanted)-\(number)" }
                guard try registry.add(entry) else {
                    if wantedName != nil { return "found a cluster called '\(wanted)' already, expected another name" }
                    continue
                }
                self.entry = entry
                isAnnounced = true
                return onUp(entry) ? nil : "nobody waited for the cluster to be ready"
            }
            return "found too many clusters called '\(wanted)'"
        } catch {
            return "\(error)"
        }
    }

    /// The run is over: leaves the registry, and answers those who wait for the end.
    /// - Parameters:
    ///   - failure: why it ended by itself.
    ///   - folder: where the records are.
    ///   - answer: makes the answer in a format.
    public func finish(failure: String?, folder: String, _ answer: (ClusterCommand.SummaryFormat) -> JSONValue) {
        if isAnnounced, var entry {
            if let failure, waiting.isEmpty {
                // Nobody is there to be told: the next one who asks is.
                entry.failure = failure
                entry.folder = Self.absolute(folder)
                try? registry.update(entry)
            } else {
                registry.remove(entry.name)
            }
        }
        for (handle, format) in waiting { server?.answer(handle, answer(format)) }
        server?.finish(milliseconds: 5000)
        server = nil
    }

    // MARK: - What is to happen

    /// When the next thing is to happen; `Instant.never` for nothing.
    var nextDue: Instant { due.firstTime }

    var pendingCount: Int { due.count }

    func schedule(_ item: Due, at time: Instant) {
        lastSequence &+= 1
        due.push(item, at: EventKey(time: time, source: 0, sequence: lastSequence))
    }

    func takeNext() -> (time: Instant, item: Due)? { due.pop().map { ($0.key.time, $0.payload) } }

    // MARK: - What it is told

    /// Deals with what has come over the socket.
    func serve(_ perform: (ClusterCommand) -> ClusterAnswer) throws(SystemError) {
        try server?.serve { handle, line in
            guard let command = ClusterCommand(reading: line) else { return .hangUp }
            switch perform(command) {
            case .done(let value): return .answer(value)
            case .refused(let reason, let code): return .answer(["error": .string(reason), "code": .integer(Int64(code))])
            case .atEnd(let drains, let format):
                waiting.append((handle, format))
                isDraining = isDraining || drains
                return .later
            }
        }
    }

    /// Writes a line to the launcher's log.
    func note(_ text: String) {
        let line = Array((text + "\n").utf8)
        _ = line.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
    }
}

/// What becomes of a command.
enum ClusterAnswer {
    case done(JSONValue)
    /// Why not, and the exit code of the verb: 2 for what makes no sense, 1 for what cannot be done.
    case refused(String, code: Int32)
    /// The answer comes when the cluster has ended.
    case atEnd(drains: Bool, format: ClusterCommand.SummaryFormat)
}

/// A submission on its way to the client, piece by piece, so that neither process holds all of it.
final class RequestFeed {
    private let source: any RequestSource
    private let base: Instant
    private var next: RequestSpec?
    /// The piece that goes next; what was taken from the source and did not get through stays in it.
    private(set) var batch: [RequestSpec] = []

    /// Requests in one piece.
    static let batchSize = 1024

    /// - Parameter base: when the source's time begins.
    init(_ source: any RequestSource, base: Instant) {
        self.source = source
        self.base = base
        next = source.next()
        fill()
    }

    private func fill() {
        while batch.count < Self.batchSize, var request = next {
            request.arrival = min(base.addingClamped(request.arrival), .never - 1)
            batch.append(request)
            next = source.next()
        }
    }

    /// The piece has gone: makes the next one.
    func advance() {
        batch.removeAll(keepingCapacity: true)
        fill()
    }
}
