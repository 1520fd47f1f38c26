import Cluster
import Quantities

extension Summary {
    /// What a fault was and what it cost; times in seconds.
    public struct Fault: Sendable, Equatable {
        public var time: Double
        public var kind: String
        /// Names of the nodes that it hit.
        public var targets: [String]
        /// From the fault until somebody knew of it; `nil` when nobody did.
        public var detectedAfter: Double?
        /// Requests that were begun again or failed for it, and tokens that were computed again.
        public var requestsHit: Int64 = 0
        public var tokensRecomputed: Int64 = 0
        /// Bytes of cache that were moved for it.
        public var bytesMoved: Int64 = 0
        /// Bytes of weights that the workers which came back got from other devices, and from storage.
        public var weightsMoved: Int64 = 0
        public var weightsLoaded: Int64 = 0
        /// Until the client received tokens at 95% of the rate before again, in whole seconds; `nil` when it never did, or never received less.
        public var recoveryTime: Double?

        public init(time: Double, kind: String, targets: [String]) {
            self.time = time
            self.kind = kind
            self.targets = targets
        }
    }

    /// What faults cost over the run.
    public struct Recovery: Sendable, Equatable {
        /// Times that a request was begun again, and tokens computed again for that.
        public var restarts: Int64 = 0
        public var recomputedTokens: Int64 = 0
        /// Tokens that came too late to be of use: of requests begun anew since, or of processes that counted as dead.
        public var staleTokens: Int64 = 0
        /// Messages dropped because their sender counted as dead, and messages that met no process.
        public var fencedMessages: Int64 = 0
        public var lostMessages: Int64 = 0

        public init() {}
    }
}

/// Says for each fault what it cost: from the table of faults, and from what the client counted.
struct FaultAccount {
    private let plan: ClusterPlan
    private let layout: ClusterLayout
    private let table: FaultTable

    init(_ plan: ClusterPlan, _ layout: ClusterLayout, _ table: FaultTable) {
        self.plan = plan
        self.layout = layout
        self.table = table
    }

    /// The faults that happened before `end`, in the order of their times.
    /// - Parameters:
    ///   - evacuations: of each node.
    ///   - salvages: of all nodes: what the client has to have computed again, and was there after all.
    func faults(
        _ client: ClientStatistics, _ evacuations: [[CacheEvacuation]] = [], _ salvages: [CacheSalvage] = [], until end: Instant
    ) -> [Summary.Fault] {
        let count = table.faults.prefix { $0.at <= end }.count
        guard count > 0 else { return [] }
        let detections = table.detections(plan, layout)
        var accounts = table.faults[..<count].map { fault in
            Summary.Fault(time: seconds(fault.at), kind: fault.kind.name, targets: fault.nodes.map { layout.nodes[$0].name })
        }
        var detected = Array(detections[..<count])
        for loss in client.losses {
            // The latest fault that hit the node is the reason for it.
            guard let place = table.faults[..<count].lastIndex(where: { $0.at <= loss.at && hits($0, Int(loss.node)) }) else { continue }
            accounts[place].requestsHit += loss.requests
            accounts[place].tokensRecomputed += loss.recomputedTokens
            if Int(loss.node) != ClusterLayout.client { detected[place] = min(detected[place] ?? loss.at, loss.at) }
        }
        for salvage in salvages {
            guard let place = table.faults[..<count].lastIndex(where: { $0.at <= salvage.at && hits($0, Int(salvage.node)) }) else { continue }
            accounts[place].tokensRecomputed = max(0, accounts[place].tokensRecomputed - salvage.tokens)
        }
        for (node, moved) in evacuations.enumerated() {
            for evacuation in moved {
                let notice = table.faults[..<count].lastIndex { fault in
                    guard case .preempt(let grace, _) = fault.kind else { return false }
                    return fault.at + grace == evacuation.deadline && fault.nodes.contains(node)
                }
                if let notice { accounts[notice].bytesMoved = accounts[notice].bytesMoved.addingClamped(evacuation.bytes) }
            }
        }
        addWeights(to: &accounts, until: end)
        for place in accounts.indices {
            accounts[place].detectedAfter = detected[place].map { seconds($0 - table.faults[place].at) }
            accounts[place].recoveryTime = Self.recoveryTime(after: table.faults[place].at, client.series).map(Double.init)
        }
        return accounts
    }

    /// Charges the weights of a process that has begun anew to the fault that says when it does.
    private func addWeights(to accounts: inout [Summary.Fault], until end: Instant) {
        let startUps = StartUps(plan, layout)
        for node in layout.nodes where node.role.isWorker {
            for outage in table.outages[node.index] where outage.until <= end {
                let fault = table.faults[..<accounts.count].lastIndex { fault in
                    guard let begin = fault.kind.outage(at: fault.at) else { return false }
                    return fault.nodes.contains(node.index) && begin >= outage.from && begin < outage.until
                }
                guard let fault else { continue }
                let weights = startUps.restoration(of: node.index, born: outage.until, table)
                accounts[fault].weightsMoved = accounts[fault].weightsMoved.addingClamped(weights.moved)
                accounts[fault].weightsLoaded = accounts[fault].weightsLoaded.addingClamped(weights.loaded)
            }
        }
    }

    private func hits(_ fault: Fault, _ node: Int) -> Bool {
        switch fault.kind {
        case .slow: false
        case .kill, .hang, .preempt: fault.nodes.contains(node)
        case .link, .partition: fault.nodes.contains(node) || fault.peers.contains(node)
        }
    }

    /// Seconds from a fault's until tokens come at 95% of their mean rate of the ten seconds before again: in that second, and over the five that
    /// begin with it, so that no lucky one counts. `nil` when they never do, and when no second of the ten that begin with the fault's is below.
    static func recoveryTime(after time: Instant, _ series: ThroughputSeries) -> Int? {
        let tokens = series.seconds.map(\.tokens)
        let first = Int(time / nanosecondsPerSecond)
        let before = tokens.prefix(first).suffix(10)
        guard !before.isEmpty else { return nil }
        let goal = 0.95 * Double(before.reduce(0, +)) / Double(before.count)
        func isReached(_ place: Int, _ span: Int) -> Bool { Double(tokens[place..<(place + span)].reduce(0, +)) >= goal * Double(span) }
        guard goal > 0, let dent = (first..<max(first, min(first + 10, tokens.count))).first(where: { !isReached($0, 1) }) else { return nil }
        return (dent..<max(dent, tokens.count - 4)).first { isReached($0, 1) && isReached($0, 5) }.map { $0 - first }
    }
}

extension ThroughputSeries {
    /// The header line of `throughput.csv`: by second of the run, from 0, what the client received in it.
    public static let header = "second,output_tokens_per_s,requests_done_per_s,goodput_requests_per_s\n"

    /// Appends a row for each second.
    public func write(to text: inout TextBuffer) {
        for (place, second) in seconds.enumerated() {
            text.append(Int64(place))
            for number in [second.tokens, second.done, second.withinObjective] {
                text.append(ascii: UInt8(ascii: ","))
                text.append(number)
            }
            text.append(ascii: UInt8(ascii: "\n"))
        }
    }
}
