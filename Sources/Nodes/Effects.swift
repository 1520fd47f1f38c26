import Quantities
import Records

/// The timers that a node can have, one of each at a time. Timers due at once fire in this order.
public enum TimerKind: Int, Sendable, CaseIterable {
    /// The earliest running iteration ends.
    case iterationEnd
    /// The first pipeline stage can take a new iteration.
    case stageFree
    /// A load report that was held back is due.
    case report
    /// The next request arrives.
    case arrival
    /// The gang's next iteration begins.
    case gangStart
    /// A scheduler that lets requests wait decides again.
    case decision
    /// A new process is ready to serve.
    case ready
    /// The failure detector has something to say.
    case verdict
    /// Requests that wait for a worker to live have waited long enough.
    case patience
    /// A gang gets other members.
    case membership
    /// The machine says that the process will be ended.
    case notice
    /// A worker that will be ended moves caches, or hands back what is left.
    case departure

    /// Whether only faults set it.
    @inline(__always)
    var isRare: Bool { rawValue >= TimerKind.ready.rawValue }
}

/// What a node wants done to the world. The host of the node carries it out; the node itself touches nothing.
///
/// One value is reused for every event, so that effects cost no allocation.
struct Effects {
    /// A message to hand to the network.
    struct Send {
        var target: Int32
        var bytes: ByteCount
        var message: Message
        /// When the first and the last byte are ready to leave, for caches that are pushed while they are computed.
        var streaming: Streaming?
    }

    /// A source that produces its bytes evenly over a span of time.
    struct Streaming {
        var first: Instant
        var last: Instant
        /// Bytes of the last piece, which leave only after `last`.
        var lastBytes: ByteCount
    }

    var sends: [Send] = []
    /// How long after the event they leave: what the node takes to decide.
    var delay: Nanoseconds = 0
    /// Messages within a gang, outside of the virtual clock.
    var layerSends: [LayerSend] = []
    /// What a gang's iteration sent, in messages and bytes.
    var traffic = Traffic()
    var timers = TimerTable()
    /// Whether the node is to be thrown away and made anew, as one that begins now.
    var wantsReset = false
    /// Messages that were dropped because a process sent them that counts as dead.
    var fenced: Int64 = 0
    /// Rows for the run's records.
    let records: RecordBuffers

    init(records: RecordBuffers) {
        self.records = records
        sends.reserveCapacity(64)
    }

    @inline(__always)
    mutating func send(_ message: Message, to target: Int32, bytes: ByteCount) {
        sends.append(Send(target: target, bytes: bytes, message: message, streaming: nil))
    }
}

/// When each of a node's timers fires; `Instant.never` for those that are not set.
struct TimerTable {
    private var iterationEnd: Instant = .never
    private var stageFree: Instant = .never
    private var report: Instant = .never
    private var arrival: Instant = .never
    private var gangStart: Instant = .never
    private var decision: Instant = .never
    private var ready: Instant = .never
    private var verdict: Instant = .never
    private var patience: Instant = .never
    private var membership: Instant = .never
    private var notice: Instant = .never
    private var departure: Instant = .never
    /// The earliest of those that only faults set.
    private var rare: Instant = .never

    subscript(kind: TimerKind) -> Instant {
        @inline(__always) get {
            switch kind {
            case .iterationEnd: iterationEnd
            case .stageFree: stageFree
            case .report: report
            case .arrival: arrival
            case .gangStart: gangStart
            case .decision: decision
            case .ready: ready
            case .verdict: verdict
            case .patience: patience
            case .membership: membership
            case .notice: notice
            case .departure: departure
            }
        }
        @inline(__always) set {
            switch kind {
            case .iterationEnd: iterationEnd = newValue
            case .stageFree: stageFree = newValue
            case .report: report = newValue
            case .arrival: arrival = newValue
            case .gangStart: gangStart = newValue
            case .decision: decision = newValue
            case .ready: ready = newValue
            case .verdict: verdict = newValue
            case .patience: patience = newValue
            case .membership: membership = newValue
            case .notice: notice = newValue
            case .departure: departure = newValue
            }
            if kind.isRare { rare = min(min(min(ready, membership), min(verdict, patience)), min(notice, departure)) }
        }
    }

    /// The timer that fires first.
    @inline(__always)
    var first: (kind: TimerKind, time: Instant) {
        var kind = TimerKind.iterationEnd
        var time = iterationEnd
        if stageFree < time { (kind, time) = (.stageFree, stageFree) }
        if report < time { (kind, time) = (.report, report) }
        if arrival < time { (kind, time) = (.arrival, arrival) }
        if gangStart < time { (kind, time) = (.gangStart, gangStart) }
        if decision < time { (kind, time) = (.decision, decision) }
        if rare < time {
            time = rare
            kind =
                ready == rare
                ? .ready
                : verdict == rare ? .verdict : patience == rare ? .patience : membership == rare ? .membership : notice == rare ? .notice : .departure
        }
        return (kind, time)
    }
}
