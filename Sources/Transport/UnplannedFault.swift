import Cluster
import Quantities

/// A fault that nobody planned: what the launcher tells the nodes when a process has died or stands still by somebody else's doing.
public struct UnplannedFault: Sendable, Equatable {
    /// What has happened.
    public enum Kind: Int64, Sendable {
        case kill = 1, hang, resume
        /// A process is ended by command: unlike one that is gone already, it sees off what it has sent.
        case end
    }

    public var kind: Kind
    public var node: Int32
    public var at: Instant
    /// When it is over; `Instant.never` when nobody knows.
    public var until: Instant

    public init(kind: Kind, node: Int32, at: Instant, until: Instant) {
        self.kind = kind
        self.node = node
        self.at = at
        self.until = until
    }

    static let wordCount = 4
    var words: [Int64] { [kind.rawValue, Int64(node), at, until] }

    init?(words: [Int64]) {
        guard words.count == Self.wordCount, let kind = Kind(rawValue: words[0]), words[1] >= 0, words[1] <= Int64(Int32.max), words[2] >= 0,
            words[3] >= words[2]
        else { return nil }
        self.init(kind: kind, node: Int32(words[1]), at: words[2], until: words[3])
    }

    /// Puts it into a table.
    public func apply(to table: FaultTable) {
        guard Int(node) < table.count else { return }
        switch kind {
        case .kill, .end: table.add(Fault(at: at, until: until, kind: .kill(restart: nil), nodes: [Int(node)]))
        case .hang: table.add(Fault(at: at, until: until, kind: .hang(until - at), nodes: [Int(node)]))
        case .resume: table.resume(Int(node), since: at, at: until)
        }
    }
}
