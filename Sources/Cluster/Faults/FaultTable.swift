import Quantities

/// A span of emulated time, without its end.
public struct TimeSpan: Sendable, Equatable {
    public var from: Instant
    /// `Instant.never` for what does not end.
    public var until: Instant

    public init(from: Instant, until: Instant) {
        self.from = from
        self.until = until
    }

    /// Whether a time is in it.
    @inline(__always)
    public func contains(_ time: Instant) -> Bool { time >= from && time < until }
}

/// A fault as it happened, or is to happen: a line of the summary.
public struct Fault: Sendable, Equatable {
    public var at: Instant
    /// When it was over: the restart, the wake-up, the healing; `Instant.never` if it was not.
    public var until: Instant
    public var kind: FaultKind
    /// The nodes that it hits, in order.
    public var nodes: [Int]
    /// For links and partitions, the other side.
    public var peers: [Int]
    /// The hosts that are lost of workers which have others too; empty where all that the nodes have is.
    public var hosts: [Int]

    public init(at: Instant, until: Instant, kind: FaultKind, nodes: [Int], peers: [Int] = [], hosts: [Int] = []) {
        self.hosts = hosts
        self.at = at
        self.until = until
        self.kind = kind
        self.nodes = nodes
        self.peers = peers
    }
}

/// What happens to processes and links, and when: the same table at every node's host, under every clock.
///
/// Nodes know nothing of it. Their hosts do what the machine does: they let nothing through a link that is cut, hold still while a process is
/// stopped, and are replaced when it dies. It holds what is planned from the start; what happens unplanned is added while the run goes on, never
/// before the present.
public final class FaultTable {
    /// A span in which computing takes longer, in thousandths.
    struct Slowdown: Equatable {
        var span: TimeSpan
        var factor: Int64
    }

    /// A link or many that are worse for a while.
    struct Worsening: Equatable {
        var span: TimeSpan
        /// `nil`: nothing passes.
        var fault: LinkFault?
        /// By node, on which side it is.
        var left: [Bool]
        var right: [Bool]

        func covers(_ source: Int, _ target: Int) -> Bool { left[source] && right[target] || left[target] && right[source] }
    }

    /// A notice that a process will be ended.
    public struct Notice: Sendable, Equatable {
        public var at: Instant
        public var deadline: Instant
    }

    public let count: Int
    /// In order of their time.
    public private(set) var faults: [Fault] = []
    /// By node, in order and apart: when its process is not there, and when it is stopped.
    public private(set) var outages: [[TimeSpan]]
    public private(set) var freezes: [[TimeSpan]]
    private var slowdowns: [[Slowdown]]
    public private(set) var notices: [[Notice]]
    private var worsenings: [Worsening] = []
    /// Grows with every change, for those who keep what they worked out from the table.
    public private(set) var version = 0

    /// An empty table.
    public init(nodes: Int) {
        count = nodes
        outages = Array(repeating: [], count: nodes)
        freezes = outages
        slowdowns = Array(repeating: [], count: nodes)
        notices = Array(repeating: [], count: nodes)
    }

    /// Whether nothing is in it.
    public var isEmpty: Bool { faults.isEmpty }

    /// Lists a fault, the effect of which is there without the table.
    public func list(_ fault: Fault) {
        version += 1
        let place = faults.firstIndex { $0.at > fault.at } ?? faults.count
        faults.insert(fault, at: place)
    }

    /// Adds a fault. What stops a process, or gives it notice, has no effect on one that is not there.
    public func add(_ fault: Fault) {
        list(fault)
        switch fault.kind {
        case .kill: for node in fault.nodes { end(node, TimeSpan(from: fault.at, until: fault.until)) }
        case .preempt(let grace, _):
            for node in fault.nodes {
                if isUp(node, at: fault.at) { notices[node].append(Notice(at: fault.at, deadline: fault.at + grace)) }
                end(node, TimeSpan(from: fault.at + grace, until: fault.until))
            }
        case .hang: for node in fault.nodes { freeze(node, TimeSpan(from: fault.at, until: fault.until)) }
        case .slow(let factor, _):
            for node in fault.nodes {
                slowdowns[node].append(
                    Slowdown(span: TimeSpan(from: fault.at, until: fault.until), factor: Self.thousandths(factor)))
            }
        case .link(let link, _, _): worsen(fault, link)
        case .partition: worsen(fault, nil)
        }
    }

    /// Ends a process for a time. One that is gone already is not back before that time is over.
    private func end(_ node: Int, _ span: TimeSpan) {
        guard span.until > span.from else { return }
        var span = span
        for other in outages[node] where other.from <= span.until && span.from < other.until {
            span = TimeSpan(from: min(span.from, other.from), until: max(span.until, other.until))
        }
        outages[node].removeAll { $0.from >= span.from && $0.until <= span.until }
        outages[node].append(span)
        outages[node].sort { $0.from < $1.from }
        // A process that ends is no longer stopped.
        let kept = freezes[node]
        freezes[node] = []
        for freeze in kept { self.freeze(node, freeze) }
    }

    private func freeze(_ node: Int, _ span: TimeSpan) {
        guard isUp(node, at: span.from) else { return }
        var span = span
        if let death = outages[node].first(where: { $0.from > span.from }) { span.until = min(span.until, death.from) }
        for other in freezes[node] where other.from <= span.until && span.from <= other.until {
            span.from = min(span.from, other.from)
            span.until = max(span.until, other.until)
        }
        guard span.until > span.from else { return }
        freezes[node].removeAll { $0.from <= span.until && span.from <= $0.until }
        freezes[node].append(span)
        freezes[node].sort { $0.from < $1.from }
    }

    /// How much longer computing takes with a factor, in thousandths.
    public static func thousandths(_ factor: Double) -> Int64 { max(1000, Int64((factor * 1000).rounded())) }

    private func worsen(_ fault: Fault, _ link: LinkFault?) {
        func mask(_ nodes: [Int]) -> [Bool] {
            var mask = Array(repeating: false, count: count)
            for node in nodes { mask[node] = true }
            return mask
        }
        worsenings.append(
            Worsening(span: TimeSpan(from: fault.at, until: fault.until), fault: link, left: mask(fault.nodes), right: mask(fault.peers)))
    }

    /// Ends what goes on at a node, or on links, at a time: somebody healed it.
    public func heal(at time: Instant) {
        version += 1
        for place in worsenings.indices where worsenings[place].span.until > time && worsenings[place].span.from <= time {
            worsenings[place].span.until = time
        }
        for place in faults.indices where faults[place].until > time && faults[place].at <= time {
            switch faults[place].kind {
            case .link, .partition: faults[place].until = time
            default: break
            }
        }
    }

    /// Sets when a process that is gone or stopped at `time` is back.
    public func resume(_ node: Int, since time: Instant, at end: Instant) {
        version += 1
        for place in outages[node].indices where outages[node][place].contains(time) { outages[node][place].until = end }
        for place in freezes[node].indices where freezes[node][place].contains(time) { freezes[node][place].until = end }
        for place in faults.indices where faults[place].nodes.contains(node) && faults[place].at <= time && faults[place].until > time {
            faults[place].until = end
        }
    }
}

// MARK: - Questions

extension FaultTable {
    /// Whether the node's process is there.
    public func isUp(_ node: Int, at time: Instant) -> Bool { !outages[node].contains { $0.contains(time) } }

    /// Whether a new process of the node begins at a time or later.
    public func returns(_ node: Int, at time: Instant) -> Bool { outages[node].contains { $0.until >= time && $0.until < .never } }

    /// When the process that is there at a time ends; `Instant.never` when it does not.
    public func death(of node: Int, after time: Instant) -> Instant { outages[node].first { $0.from >= time }?.from ?? .never }

    /// Whether what was sent to a node at one time and is there at another meets no process, or another one.
    public func isLost(to node: Int, sent: Instant, arrives: Instant) -> Bool {
        outages[node].contains { sent < $0.until && arrives >= $0.from }
    }

    /// Whether the process of a node ended while it sent: before the last byte had left.
    public func isCutShort(from node: Int, sent: Instant, leaves: Instant) -> Bool {
        outages[node].contains { sent < $0.from && leaves >= $0.from || $0.contains(sent) }
    }

    /// When a node does what is due at a time: then, or when it goes on.
    @inline(__always)
    public func thaw(_ node: Int, _ time: Instant) -> Instant {
        guard !freezes[node].isEmpty else { return time }
        return freezes[node].first { $0.contains(time) }?.until ?? time
    }

    /// How much longer computing takes, in thousandths: at least 1000.
    public func slowdown(_ node: Int, at time: Instant) -> Int64 {
        slowdowns[node].reduce(1000) { $1.span.contains(time) ? max($0, $1.factor) : $0 }
    }

    /// How a link is worse at a time: when it passes anything again, and what is the matter with it then.
    public func link(from source: Int, to target: Int, at time: Instant) -> (opens: Instant, faults: [LinkFault]) {
        var opens = time
        var changed = true
        while changed, opens < .never {
            changed = false
            for item in worsenings where item.fault == nil && item.span.contains(opens) && item.covers(source, target) {
                opens = item.span.until
                changed = true
            }
        }
        let faults = worsenings.compactMap { $0.span.contains(opens) && $0.covers(source, target) ? $0.fault : nil }
        return (opens, faults)
    }

    /// When some of these nodes cannot reach others of them.
    func cuts(among nodes: [Int]) -> [TimeSpan] {
        worsenings.compactMap { item in
            let isCut = item.fault == nil && nodes.contains { left in nodes.contains { item.covers(left, $0) } }
            return isCut ? item.span : nil
        }
    }

    /// How much worse the links between these nodes are at a time, for exchanges of all with all.
    public func strain(among nodes: [Int], at time: Instant) -> LinkStrain {
        var strain = LinkStrain()
        for item in worsenings where item.span.contains(time) {
            guard let fault = item.fault else { continue }
            let pairs = nodes.reduce(0) { sum, left in sum + nodes.count { $0 != left && item.covers(left, $0) } }
            if pairs > 0 { strain.add(fault, messages: pairs) }
        }
        return strain
    }

    /// Whether any link is ever worse.
    public var hasLinkFaults: Bool { !worsenings.isEmpty }

    /// When a node cannot be heard at another: it is gone or stopped, or the link between them is cut. In order, apart.
    public func silences(of node: Int, at listener: Int) -> [(span: TimeSpan, isOutage: Bool)] {
        var spans = outages[node].map { ($0, true) } + freezes[node].map { ($0, false) }
        for item in worsenings where item.covers(node, listener) {
            guard let fault = item.fault else {
                spans.append((item.span, false))
                continue
            }
            // What is later by so much is not heard for so long.
            if fault.latency > 0 { spans.append((TimeSpan(from: item.span.from, until: item.span.from + fault.latency), false)) }
        }
        spans.sort { $0.0.from < $1.0.from }
        var merged: [(span: TimeSpan, isOutage: Bool)] = []
        for (span, isOutage) in spans {
            if let last = merged.last, span.from <= last.span.until {
                merged[merged.count - 1].span.until = max(last.span.until, span.until)
                merged[merged.count - 1].isOutage = last.isOutage || isOutage
            } else {
                merged.append((span, isOutage))
            }
        }
        return merged
    }

    /// The next time after `time` at which a process begins, ends, is stopped or goes on; `Instant.never` for none.
    public func nextTransition(after time: Instant) -> Instant {
        var next = Instant.never
        for spans in outages + freezes {
            for span in spans {
                if span.from > time { next = min(next, span.from) }
                if span.until > time { next = min(next, span.until) }
            }
        }
        return next
    }

    /// What is to be done to a process.
    public enum Change: Sendable, Equatable {
        case end(Int)
        /// A new process, which is born at a time.
        case begin(Int, at: Instant)
        case stop(Int)
        case goOn(Int)
    }

    /// What happens to processes at a time, in order: those that end come first. Some may be done already, or be for a process that is not there.
    public func changes(at time: Instant) -> [Change] {
        let nodes = outages.indices
        var changes: [Change] = nodes.filter { outages[$0].contains { $0.from == time } }.map { .end($0) }
        for node in nodes {
            if outages[node].contains(where: { $0.until == time }) { changes.append(.begin(node, at: time)) }
            if freezes[node].contains(where: { $0.until == time }) { changes.append(.goOn(node)) }
            if freezes[node].contains(where: { $0.from == time }) { changes.append(.stop(node)) }
        }
        return changes
    }
}
