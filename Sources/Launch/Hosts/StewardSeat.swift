import CSystem
import Cluster
import Glibc
import Quantities
import Transport

/// One node that a steward looks after.
final class StewardSeat {
    let name: String
    let line: SeatLine
    private let folder: RunFolder
    private let keys: String
    private let executable: String
    /// Where the node listens for its peers.
    private let bind: String
    private var child: Child?
    private var pump: PartPump?
    /// Packets for the process that it has no room for yet.
    private var pending: [[UInt8]] = []
    private var clock = ClockComparison()
    /// The difference by which the start was converted: the process goes by it to its end.
    private var usedOffset: Int64?
    private var isStopped = false
    private var heard = monotonicNow()
    private var nextPing: Int64 = 0
    private var nextPump: Int64 = 0
    /// Why the seat is given up: empty when the run is over; `nil` while it goes on.
    private(set) var dismissal: String?
    /// Packets that wait for the process, at the most: then the launcher waits.
    private static let pendingLimit = 64

    init(name: String, line: SeatLine, folder: String, keys: String, executable: String, bind: String) {
        self.name = name
        self.line = line
        self.folder = RunFolder(existing: folder)
        self.keys = keys
        self.executable = executable
        self.bind = bind
    }

    /// Says that the node is to be had here.
    func join(version: String, endpoint: String) throws {
        for path in [folder.path, folder.parts, folder.path + "/logs"] { try Files.makeDirectory(path, mode: 0o700) }
        try line.send(.join(version: version, name: name, endpoint: endpoint))
    }

    /// What tells of the process.
    var descriptors: [Int32] { child.map { [$0.control.descriptor, $0.pidDescriptor] } ?? [] }

    /// Whether something waits that no descriptor tells of.
    var isClogged: Bool { !pending.isEmpty }

    /// Does what there is to do.
    func turn(_ now: Int64, patience: Nanoseconds) throws {
        try passPending()
        while dismissal == nil, pending.count < Self.pendingLimit {
            guard case let received = try line.receive(), received != .nothing else { break }
            heard = now
            guard case .order(let order) = received else { throw SystemError("\(name): the launcher has sent what cannot be read") }
            try obey(order)
        }
        try hearProcess()
        if now - heard > patience { dismissal = "the launcher has been silent for \(seconds(patience)) s" }
        guard now >= nextPing else { return }
        nextPing = now + clock.interval
        isStopped = child?.isStopped ?? false
        try line.send(.ping(sent: now, offset: clock.best(since: usedOffset), isStopped: isStopped))
        guard now >= nextPump else { return }
        nextPump = now + nanosecondsPerSecond
        try pump?.sendAll(to: line)
    }

    /// Ends the process, however it is.
    func end() {
        child?.kill(SIGKILL)
        _ = child?.reap(waits: true)
    }

    private func obey(_ order: SeatOrder) throws {
        switch order {
        case .file(let name, let isFirst, let bytes): try keep(name, isFirst, bytes)
        case .launch(let index, let born): try launch(index, born: born)
        case .control(let packet):
            pending.append(local(packet))
            try passPending()
        case .signal(let number): child?.kill(number)
        case .pong(let sent, let received): if sent > 0 { clock.take(sent: sent, received: received, back: monotonicNow()) }
        case .dismiss(let reason): dismissal = reason
        }
    }

    /// A start names a time of the launcher's clock.
    private func local(_ packet: [UInt8]) -> [UInt8] {
        guard case .start(let epoch)? = ControlMessage(packet: packet) else { return packet }
        let offset = clock.best?.offset ?? 0
        usedOffset = offset
        return ControlMessage.start(epoch: epoch + offset).packet
    }

    private func keep(_ name: String, _ isFirst: Bool, _ bytes: [UInt8]) throws {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        let isGood = parts.allSatisfy { !$0.isEmpty && !$0.hasPrefix(".") && !$0.utf8.contains(0) }
        guard isGood, parts.count == 1 || parts.count == 2 && parts[0] == "parts" else { throw SystemError("found the file name '\(name)'") }
        let file = try OutputFile(folder.path + "/" + name, appends: !isFirst)
        try bytes.withUnsafeBytes { try file.write($0) }
    }

    private func launch(_ index: Int, born: Instant) throws {
        let plan = try folder.readPlan()
        guard !plan.asksPrograms else { throw SystemError(ExternalPrograms.refusal) }
        let nodes = ClusterLayout(plan).nodes
        guard nodes.indices.contains(index), nodes[index].name == name else { throw SystemError("the launcher's node \(index) is not \(name)") }
        var arguments = ["node", folder.path, "--index", "\(index)", "--peers", folder.path + "/" + RunFiles.peersName, "--keys", keys]
        arguments += ["--bind", bind, "--parent", "\(getpid())"]
        if born > 0 { arguments += ["--born", "\(born)"] }
        if pump == nil { pump = PartPump(node: nodes[index], folder: folder) }
        pending.removeAll()
        child = try Child(node: nodes[index], executable: executable, arguments: arguments, log: folder.log(of: nodes[index]))
    }

    private func passPending() throws {
        var passed = 0
        while passed < pending.count, let control = child?.control as? ControlChannel, try control.pass(pending[passed]) != nil { passed += 1 }
        if child == nil { passed = pending.count }
        pending.removeFirst(passed)
    }

    /// Passes on what the process says, and says when it has ended. What it has recorded goes first.
    private func hearProcess() throws {
        guard let child else { return }
        let hasEnded = child.reap()
        while let packet = (child.control as? ControlChannel)?.takePacket() {
            if ControlMessage.tellsOfRecords(packet) {
                switch ControlMessage(packet: packet) {
                case .finished, .failed: try pump?.sendAll(to: line)
                default: try pump?.sendAccount(to: line)
                }
            }
            try line.send(.control(packet))
        }
        guard hasEnded, let ending = child.ending else { return }
        try LostAccount.trim(folder, child.node)
        try pump?.sendAll(to: line)
        switch ending {
        case .exited(let code): try line.send(.ended(code: code, bySignal: false))
        case .signalled(let signal): try line.send(.ended(code: signal, bySignal: true))
        }
        self.child = nil
    }
}

/// How far this host's clock is ahead of the launcher's: the middle of the shortest round trip of late.
struct ClockComparison {
    private var samples: [ClockOffset] = []
    private var count = 0
    /// Samples that are looked at.
    private static let kept = 64
    /// Samples that come soon after each other at the start.
    private static let first = 10

    init() {}

    /// Takes a round trip: two times of this host's clock, and between them one of the launcher's.
    mutating func take(sent: Int64, received: Int64, back: Int64) {
        guard back >= sent else { return }
        let sample = ClockOffset(offset: sent + (back - sent) / 2 - received, uncertainty: (back - sent + 1) / 2)
        if samples.count < Self.kept { samples.append(sample) } else { samples[count % Self.kept] = sample }
        count += 1
    }

    /// The best that is known.
    var best: ClockOffset? { samples.min { $0.uncertainty < $1.uncertainty } }

    /// The best that is known, and how far a clock that goes by an earlier difference may be off: clocks drift apart.
    func best(since used: Int64?) -> ClockOffset? {
        guard let best, let used else { return best }
        let drift = best.offset.subtractingReportingOverflow(used)
        let uncertainty = best.uncertainty.addingReportingOverflow(drift.overflow ? .max : Int64(clamping: drift.partialValue.magnitude))
        return ClockOffset(offset: best.offset, uncertainty: uncertainty.overflow ? .max : uncertainty.partialValue)
    }

    /// Nanoseconds to the next comparison.
    var interval: Int64 { count < Self.first ? 20_000_000 : 500_000_000 }
}
