import Cluster
import Glibc
import Quantities
import Records
import Transport

/// The nodes of a run that are on other hosts, as the launcher holds them: who has joined, what they say, and what they have recorded.
///
/// Each node has a *seat* (`SeatReport`). What a node records comes here as it is written and lies in the run's folder like that of a node on this host.
/// A seat whose connection is lost, or that says nothing for longer than the patience, counts as a node that somebody has killed.
public final class RemoteHosts {
    /// One node's place.
    struct Seat {
        var session: SeatRouter.Session?
        /// Where its peers reach it.
        var endpoint = ""
        /// When it was last heard, on the machine's clock.
        var heard: Int64 = 0
        /// What its process has said and nobody has taken yet.
        var messages: [ControlMessage] = []
        /// Whether its process was started and has not ended.
        var runs = false
        var ending: ProcessEnding?
        var isStopped = false
        var offset: ClockOffset?
        /// By how much its process's time may be off, as last measured while that ran, in nanoseconds: with more round trips more is known of the start,
        /// and drift adds up.
        var uncertainty: Nanoseconds?
        /// Whether the host has the files of the run.
        var hasFiles = false
    }

    private let router: SeatRouter
    private let layout: ClusterLayout
    private let keys: [String]
    private let version: String
    /// How long a host may be silent, in nanoseconds.
    private let patience: Int64
    private(set) var seats: [Seat]
    private var folder: RunFolder?
    private var files: RunFiles?
    private var ended: [Int] = []
    private var nextBeat: Int64 = 0
    /// Messages of nobody who has a seat.
    private var strays: Int64 = 0
    private var isDismissed = false
    private let log: (String) -> Void
    /// What has brought the hosts up, and ends with them; `nil` when each was started by somebody else.
    public var starter: HostStarter?
    private static let beatInterval: Int64 = 500_000_000
    private static let messagesAtOnce = 20_000
    /// Joins that were refused.
    private var refused: Int64 = 0

    /// - Parameters:
    ///   - keys: the launcher's, with the public ones of every node.
    ///   - listen: where, such as `tcp://127.0.0.1:*`.
    ///   - patience: how long a host may be silent, in nanoseconds.
    ///   - log: gets a line for what people should know.
    public init(
        plan: ClusterPlan, keys: KeyFile, listen: String, patience: Nanoseconds, version: String, log: @escaping (String) -> Void
    ) throws {
        layout = ClusterLayout(plan)
        let known = Dictionary(keys.peers.map { ($0.name, $0.key) }) { first, _ in first }
        self.keys = try layout.nodes.map { node throws(FolderError) in
            guard let key = known[node.name] else {
                throw FolderError(description: "found keys without \(node.name), expected those of this topology")
            }
            return key
        }
        NodeProcess.raiseDescriptorLimit()
        router = try SeatRouter(listen: listen, keys: keys.own, nodes: self.keys, patience: Int(patience / 1_000_000))
        self.version = version
        self.patience = patience
        self.log = log
        seats = Array(repeating: Seat(), count: layout.nodes.count)
    }

    /// Where it listens.
    public var endpoint: String { router.endpoint }
    var descriptor: Int32 { router.descriptor }
    /// Stands for the descriptor among events.
    static let eventNumber = 1 << 40

    /// From here on there is a folder for what comes.
    func begin(in folder: RunFolder, _ plan: ClusterPlan) throws {
        self.folder = folder
        files = try RunFiles(plan)
    }

    /// Names of nodes that nobody has joined for.
    var missing: [String] { layout.nodes.filter { seats[$0.index].session == nil }.map(\.name) }

    /// Nodes that have said something.
    var talkative: [Int] { seats.indices.filter { !seats[$0].messages.isEmpty } }

    /// Nodes whose processes have ended since the last time.
    func takeEnded() -> [Int] {
        defer { ended.removeAll() }
        return ended
    }

    /// Why the run has nobody any more to go on with; `nil` while it has.
    var loss: String? {
        if let end = starter?.end { return "\(end) before the run was over" }
        return hasBegun && seats.allSatisfy { $0.session == nil } ? "every host is lost" : nil
    }

    /// Whether a node's host is there.
    func isReachable(_ node: Int) -> Bool { seats[node].session != nil }

    // MARK: - What comes

    /// Takes everything that has come, and notices who is silent.
    func receive() throws {
        // Whoever floods is not to keep the launcher from everything else.
        for _ in 0..<Self.messagesAtOnce {
            guard let (node, session, bytes) = try router.receive() else { break }
            if seats.indices.contains(node) { try take(bytes, of: node, session) }
        }
        let now = monotonicNow()
        guard now >= nextBeat else { return }
        nextBeat = now + Self.beatInterval
        for node in seats.indices where seats[node].session != nil {
            if now - seats[node].heard > patience {
                lose(node, "has been silent for \(seconds(patience)) s")
            } else {
                beat(.pong(sent: 0, received: now), to: node)
            }
        }
    }

    /// Waits for something to come, so many milliseconds at the most.
    func wait(milliseconds: Int) { router.wait(milliseconds: milliseconds) }

    private func take(_ bytes: [UInt8], of node: Int, _ session: SeatRouter.Session) throws {
        let report = SeatReport(reading: bytes[...])
        if case .join(let version, let name, let endpoint)? = report { return join(node, session, version, name, endpoint) }
        guard seats[node].session == session else {
            strays += 1
            _ = try router.send(.dismiss(reason: "the launcher has given up \(layout.nodes[node].name) here"), to: session, waits: false)
            return
        }
        seats[node].heard = monotonicNow()
        switch report {
        case nil: lose(node, "has sent what cannot be read")
        case .control(let packet):
            guard let message = ControlMessage(packet: packet) else { return lose(node, "has sent what cannot be read") }
            if seats[node].runs { seats[node].messages.append(message) }
        case .ping(let sent, let offset, let isStopped):
            seats[node].offset = offset ?? seats[node].offset
            if let offset, seats[node].runs { seats[node].uncertainty = offset.uncertainty }
            seats[node].isStopped = isStopped
            beat(.pong(sent: sent, received: monotonicNow()), to: node)
        case .ended(let code, let bySignal): end(node, bySignal ? .signalled(code) : .exited(code))
        case .rows, .statistics, .log: try keep(report, of: layout.nodes[node])
        case .join: break
        }
    }

    private func join(_ node: Int, _ session: SeatRouter.Session, _ version: String, _ name: String, _ endpoint: String) {
        func refuse(_ reason: String) {
            strays += 1
            refused += 1
            // Of a flood the first, and then ever fewer.
            if refused & (refused - 1) == 0 {
                log("\(layout.nodes[node].name) may not join: \(reason.printable)\(refused > 1 ? ", \(refused) refused so far" : "")")
            }
            _ = try? router.send(.dismiss(reason: reason), to: session, waits: false)
        }
        // One that is gone is found out by talking to it.
        beat(.pong(sent: 0, received: monotonicNow()), to: node)
        guard name == layout.nodes[node].name else { return refuse("found the name \(name) with the key of \(layout.nodes[node].name)") }
        guard version == self.version else { return refuse("found version \(version), expected \(self.version)") }
        guard PeerTable.isEndpoint(endpoint) else { return refuse("found '\(endpoint)', expected an endpoint such as tcp://host:7001") }
        guard seats[node].session == nil else { return refuse("\(name) is there already") }
        guard seats[node].endpoint.isEmpty || seats[node].endpoint == endpoint || !hasBegun else {
            return refuse("found it at \(endpoint), where its peers do not look: they know \(seats[node].endpoint)")
        }
        seats[node].session = session
        seats[node].endpoint = endpoint
        seats[node].heard = monotonicNow()
        seats[node].hasFiles = false
    }

    private var hasBegun: Bool { seats.contains { $0.hasFiles } }

    private func keep(_ report: SeatReport?, of node: NodePlan) throws {
        guard let folder else { return }
        switch report {
        case .rows(let kind, let bytes):
            guard PartFiles.rowKinds.indices.contains(kind) else { return lose(node.index, "has sent rows of no record") }
            let file = try OutputFile(PartFiles.path(folder.parts, node, PartFiles.rowKinds[kind]), appends: true)
            try bytes.withUnsafeBytes { try file.write($0) }
        case .statistics(let bytes): try Files.replace(PartFiles.path(folder.parts, node, "statistics"), by: bytes)
        case .log(let bytes):
            let file = try OutputFile(folder.log(of: node), appends: true)
            try bytes.withUnsafeBytes { try file.write($0) }
        default: break
        }
    }

    private func end(_ node: Int, _ ending: ProcessEnding) {
        guard seats[node].runs else { return }
        seats[node].runs = false
        seats[node].ending = ending
        seats[node].isStopped = false
        ended.append(node)
    }

    /// A seat is lost, and the process with it.
    private func lose(_ node: Int, _ reason: String) {
        guard let session = seats[node].session else { return }
        log("\(layout.nodes[node].name) \(reason): it counts as killed")
        _ = try? router.send(.dismiss(reason: "the launcher has given up this node: it \(reason)"), to: session, waits: false)
        seats[node].session = nil
        end(node, .signalled(SIGKILL))
    }

    // MARK: - What goes

    /// Tells a node's host something. Answers whether it is there.
    @discardableResult
    func send(_ order: SeatOrder, to node: Int) -> Bool {
        guard let session = seats[node].session else { return false }
        if let isSent = try? router.send(order, to: session), isSent { return true }
        lose(node, "has lost its connection")
        return false
    }

    /// The same for what may be lost: a host that takes nothing is not waited for.
    private func beat(_ order: SeatOrder, to node: Int) {
        guard let session = seats[node].session else { return }
        if (try? router.tell(order, to: session)) != true { lose(node, "has lost its connection") }
    }

    /// The same without waiting; `nil` when there is no room.
    func offer(_ order: SeatOrder, to node: Int) -> Bool? {
        guard let session = seats[node].session else { return false }
        return (try? router.send(order, to: session, waits: false)) == true ? true : nil
    }

    /// What a node has said, in order; `nil` when that was all.
    func takeMessage(of node: Int) -> ControlMessage? { seats[node].messages.isEmpty ? nil : seats[node].messages.removeFirst() }

    /// Starts a node's process on its host.
    func launch(_ node: NodePlan, born: Instant) throws -> Child {
        let deadline = monotonicNow() + Self.joinPatience
        // One whose container starts anew is waited for.
        while seats[node.index].session == nil, monotonicNow() < deadline {
            router.wait(milliseconds: 50)
            try receive()
        }
        guard seats[node.index].session != nil else { throw SystemError("node \(node.name) is to begin, and nobody has joined for it") }
        try sendFiles(to: node, born: born)
        seats[node.index].messages.removeAll()
        seats[node.index].ending = nil
        seats[node.index].runs = true
        send(.launch(index: node.index, born: born), to: node.index)
        return RemoteNode(node: node, hosts: self)
    }

    private static let joinPatience: Int64 = 30_000_000_000

    private func sendFiles(to node: NodePlan, born: Instant) throws {
        guard !seats[node.index].hasFiles, let files, let folder else { return }
        seats[node.index].hasFiles = true
        // As on one host: a log that is empty says that nothing went wrong.
        _ = try OutputFile(folder.log(of: node), appends: true)
        let peers = zip(seats, keys).map { PeerTable.Peer(endpoint: $0.endpoint, key: $1) }
        try files.send(to: node, peers: peers) { self.send($0, to: node.index) }
        // What an earlier process counted elsewhere is not to be lost.
        if born > 0, let counted = try Files.read(PartFiles.path(folder.parts, node, "statistics")) {
            RunFiles.pieces(of: counted, name: "parts/\(node.name).statistics") { self.send($0, to: node.index) }
        }
    }

    /// Tells every host that the run is over.
    func dismiss() {
        for node in seats.indices {
            if let session = seats[node].session { _ = try? router.send(.dismiss(reason: ""), to: session, waits: false) }
            seats[node].session = nil
        }
        guard !isDismissed else { return }
        isDismissed = true
        if router.refusals > 0 { log("turned away \(router.refusals) who had no key of this run") }
        if strays > 0 { log("dropped \(strays) messages of nodes that had been given up") }
    }

    /// Sees off who is there, and what has brought the hosts up.
    public func finish() {
        let isWhole = missing.isEmpty || hasBegun
        dismiss()
        starter?.finish(within: isWhole ? 10_000_000_000 : 0)
    }

    /// By how much the time of any node's process may be off, in nanoseconds; `nil` when no clock was compared.
    var clockUncertainty: Nanoseconds? { seats.compactMap(\.uncertainty).max() }

    /// For the manifest: where the nodes were, and how far their clocks were from this one's.
    var json: JSONValue {
        let hosts: [JSONValue] = layout.nodes.map { node in
            let seat = seats[node.index]
            return [
                "node": .string(node.name), "endpoint": .string(seat.endpoint),
                "clock_offset_s": .number(orNull: seat.offset.map { seconds($0.offset) }),
                "clock_uncertainty_s": .number(orNull: seat.uncertainty.map { seconds($0) }),
            ]
        }
        return ["refusals": .integer(router.refusals), "strays": .integer(strays), "nodes": .array(hosts)]
    }
}
