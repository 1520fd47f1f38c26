import CPerfettoTrace
import Quantities

/// Writes one node's part of a timeline in Perfetto's format: iterations as slices, cache transfers, layers and faults as slices on tracks
/// below, counters.
///
/// Parts are independent of each other, so the file of a run is its nodes' parts put one after the other in any order. Bytes appear in an
/// own buffer that the caller takes away when it likes; messages and buffers are made once and used again for every event.
/// Not for use by two threads at a time.
public final class PerfettoWriter {
    /// Bytes of whole packets not yet taken away.
    public private(set) var bytes: [UInt8] = []

    private let node: TimelineNode
    private let packet: PacketBuffer
    /// Last value of each counter, so that only changes are written.
    private var counters = [Int64?](repeating: nil, count: CounterTrack.allCases.count)
    /// By kind, end of the last slice on each track. Slices of a track may not overlap, transfers and layers may.
    private var lanes = [[Instant]](repeating: [], count: LaneKind.allCases.count)
    private var lastEnd: Instant = .min

    /// Starts the part with what names the node.
    /// - Precondition: node and host index are at least 0 and less than 2^24.
    public init(_ node: TimelineNode) {
        precondition(
            (0..<TimelineNode.indexLimit).contains(node.index) && (0..<TimelineNode.indexLimit).contains(node.host),
            "no track for node \(node.index) on host \(node.host)")
        self.node = node
        packet = PacketBuffer(sequence: UInt32(node.index) + 1)
        bytes.reserveCapacity(1 << 16)
        describe()
    }

    /// Forgets the bytes, once they are written, and keeps the memory.
    public func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// Appends an iteration. Iterations come in order and do not overlap, for an engine runs one at a time; but under the wall clock ranks of a gang
    /// that are late may say so, and then have a track of their own.
    public func append(_ span: IterationSpan) {
        guard span.end >= span.start else { return }
        let isLate = span.start < lastEnd
        let track = isLate ? lane(.late, from: span.start, to: span.end) : node.threadTrack
        lastEnd = max(lastEnd, span.end)
        guard node.servesRequests else {
            packet.begin(
                .experts, .engine, track, at: span.start, (.routedTokens, UInt64(clamping: span.routedTokens)), (.idle, UInt64(clamping: span.idle)),
                into: &bytes)
            packet.end(track, at: span.end, into: &bytes)
            return
        }
        if !isLate {
            count(.kvBlocks, Int64(span.kvBlocks), at: span.start)
            count(.batch, Int64(span.decodeRequests), at: span.start)
            count(.waiting, Int64(span.waiting), at: span.start)
        }
        let name: InternedName = span.decodeRequests == 0 ? .prefill : span.prefillTokens == 0 ? .decode : .mixed
        packet.begin(
            name, .engine, track, at: span.start, (.prefillTokens, UInt64(clamping: span.prefillTokens)),
            (.decodeRequests, UInt64(clamping: span.decodeRequests)), into: &bytes)
        packet.end(track, at: span.end, into: &bytes)
    }

    /// Appends a transfer. Transfers come in the order of their ends, as they are known; they may overlap.
    public func append(_ span: TransferSpan) {
        let track = lane(.transfers, from: span.start, to: span.end)
        packet.begin(
            .transfer, .network, track, at: span.start, (.request, UInt64(clamping: span.request)), (.bytes, UInt64(clamping: span.bytes)),
            into: &bytes)
        packet.end(track, at: span.end, into: &bytes)
    }

    /// Appends a layer. Layers come in the order of their ends; those of two micro-batches may overlap.
    public func append(_ span: LayerSpan) {
        let track = lane(.layers, from: span.start, to: span.end)
        packet.begin(
            span.isAttention ? .attention : .experts, .engine, track, at: span.start, (.layer, UInt64(clamping: span.layer)),
            (.tokens, UInt64(clamping: span.tokens)), into: &bytes)
        packet.end(track, at: span.end, into: &bytes)
    }

    /// Appends what is wrong. Faults come in the order of their starts; they may overlap.
    public func append(_ span: FaultSpan) {
        guard span.end >= span.start else { return }
        let track = lane(.faults, from: span.start, to: span.end)
        guard !span.kind.isInstant else { return packet.mark(span.kind.interned, .faults, track, at: span.start, into: &bytes) }
        let figure: (InternedAnnotation, UInt64)? = span.slowdown > 0 ? (.slowdown, UInt64(span.slowdown)) : nil
        packet.begin(span.kind.interned, .faults, track, at: span.start, figure, into: &bytes)
        packet.end(track, at: span.end, into: &bytes)
    }

    private func count(_ counter: CounterTrack, _ value: Int64, at time: Instant) {
        guard counters[counter.rawValue] != value else { return }
        counters[counter.rawValue] = value
        packet.count(value, node.counterTrack(counter), at: time, into: &bytes)
    }

    private func describe() {
        // The first packet of the sequence carries the names; every node describes its host, since it cannot know whether another does.
        packet.describe(.process(node: node), track: node.processTrack, parent: nil, into: &bytes)
        packet.describe(.thread(node: node), track: node.threadTrack, parent: node.processTrack, into: &bytes)
        for counter in CounterTrack.allCases where node.servesRequests {
            packet.describe(.counter(counter), track: node.counterTrack(counter), parent: node.threadTrack, into: &bytes)
        }
    }

    /// The first track of a kind that is free for a slice.
    private func lane(_ kind: LaneKind, from start: Instant, to end: Instant) -> UInt64 {
        if let lane = lanes[kind.rawValue].firstIndex(where: { $0 <= start }) {
            lanes[kind.rawValue][lane] = end
            return node.track(kind, lane)
        }
        lanes[kind.rawValue].append(end)
        let lane = lanes[kind.rawValue].count - 1
        packet.describe(.lane(kind, lane), track: node.track(kind, lane), parent: node.threadTrack, into: &bytes)
        return node.track(kind, lane)
    }
}

/// Slices that have tracks of their own below their node's.
enum LaneKind: Int, CaseIterable {
    case transfers, layers, late, faults

    var name: String {
        switch self {
        case .transfers: "kv transfers"
        case .layers: "layers"
        case .late: "late iterations"
        case .faults: "faults"
        }
    }
}

/// What is counted on a track of its own.
enum CounterTrack: Int, CaseIterable {
    case kvBlocks, batch, waiting

    var name: String {
        switch self {
        case .kvBlocks: "KV blocks"
        case .batch: "decode batch"
        case .waiting: "waiting requests"
        }
    }
}

extension TimelineNode {
    // Tracks are told apart by number. Those that events name again and again get small ones, which take fewer bytes; 0 is no track.

    var processTrack: UInt64 { 1 << 40 | UInt64(host) }
    var threadTrack: UInt64 { UInt64(index) << 8 | 1 }
    func counterTrack(_ counter: CounterTrack) -> UInt64 { UInt64(index) << 8 | UInt64(2 + counter.rawValue) }

    func track(_ kind: LaneKind, _ lane: Int) -> UInt64 {
        // Numbers up to 255, twice as many for one kind as for the next.
        let small = 128 >> kind.rawValue
        return lane < small
            ? UInt64(index) << 8 | UInt64(small + lane) : UInt64(1 + kind.rawValue) << 60 | UInt64(lane) << 24 | UInt64(index)
    }
}

extension FaultSpan.Kind {
    var interned: InternedName {
        switch self {
        case .killed: .killed
        case .startUp: .startUp
        case .hung: .hung
        case .slow: .slow
        case .notice: .notice
        case .link: .link
        case .partition: .partition
        case .detected: .detected
        case .back: .back
        }
    }
}
