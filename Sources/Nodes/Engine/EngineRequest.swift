import Policies
import Quantities

/// A request at a worker.
struct EngineRequest: Sendable {
    /// Where it stands.
    enum Phase: UInt8, Sendable {
        /// The slot is free.
        case none
        /// Waits to be admitted to the batch.
        case waiting
        /// In the batch.
        case running
        /// Prefilled; its blocks are held until the decode worker has the cache.
        case parked
        /// At a decode worker: waits for room for its cache.
        case placed
        /// At a decode worker: room is reserved, the cache is on its way.
        case pulling
        /// Has stopped; the worker that it moves to has not said that it runs there.
        case leaving
        /// Its cache came from a worker that will be ended; the request itself has not come yet.
        case held
    }

    var request: Assignment
    var phase: Phase
    /// Tokens whose cache is there.
    var computed: Int32 = 0
    /// Tokens produced, before a fault and since.
    var generated: Int32 = 0
    /// Cache blocks held.
    var blocks: Int32 = 0
    /// Whether it is part of an iteration that runs.
    var isInFlight = false
    /// Whether it skips the iteration that is being formed.
    var isPaused = false
    /// What was predicted of its output before its first token.
    var prediction = Prediction.unknown
    var preemptions: Int32 = 0
    var prefillStart: Instant = -1
    var prefillNode: Int32 = -1
    /// The request's handle at the worker that it comes from (decode) or goes to (layer-wise prefill); -1 where not known.
    var peerSlot: Int32 = -1
    /// When the pull was sent or the first layer pushed; then how long the transfer took.
    var transferStart: Instant = -1
    var kvTransfer: Nanoseconds = 0
    /// A layer-wise prefill whose decode worker has reserved room.
    var isStreaming = false
    /// Tokens whose cache was pushed already.
    var pushed: Int32 = 0
    /// Computed elsewhere now; gone as soon as no iteration has it.
    var isCancelled = false
    /// At a prefill worker: the node that pulls its cache; -1 before one does.
    var puller: Int32 = -1
    /// When it produced its last token here; -1 before it has.
    var lastToken: Instant = -1
    /// Tokens of whose cache the worker's buddy was sent a copy.
    var copied: Int32 = 0

    init(_ request: Assignment, phase: Phase) {
        self.request = request
        self.phase = phase
        generated = request.produced
    }

    /// Tokens whose cache the request needs: the prompt and what it has produced.
    @inline(__always)
    var total: Int32 { request.promptTokens + generated }

    /// Tokens still to be produced.
    @inline(__always)
    var remaining: Int32 { request.outputTokens - generated }

    /// Whether its latest token is the first that was produced since it came to the cluster, or since a fault.
    @inline(__always)
    var hasJustBegun: Bool { generated == request.produced + 1 }
}

/// The requests of a worker by slot. Slots are reused; a message that names one is checked against the request's id.
struct RequestTable: Sendable {
    private(set) var entries: [EngineRequest] = []
    private var freeSlots: [Int32] = []

    /// Requests held.
    var count: Int { entries.count - freeSlots.count }

    mutating func insert(_ entry: EngineRequest) -> Int32 {
        if let slot = freeSlots.popLast() {
            entries[Int(slot)] = entry
            return slot
        }
        entries.append(entry)
        return Int32(entries.count - 1)
    }

    mutating func remove(_ slot: Int32) {
        entries[Int(slot)].phase = .none
        freeSlots.append(slot)
    }

    subscript(slot: Int32) -> EngineRequest {
        @inline(__always) get { entries[Int(slot)] }
        @inline(__always) _modify { yield &entries[Int(slot)] }
    }

    /// Nobody has copies of any cache.
    mutating func forgetCopies() { for place in entries.indices { entries[place].copied = 0 } }

    /// The slot, if it holds request `id` in one of the expected phases: messages may be late, wrong or hostile.
    func find(_ slot: Int32, id: Int64, stream: Int32, in phases: EngineRequest.Phase...) -> Int32? {
        guard slot >= 0, Int(slot) < entries.count else { return nil }
        let entry = entries[Int(slot)]
        return entry.request.id == id && entry.request.stream == stream && phases.contains(entry.phase) ? slot : nil
    }

    /// The slot that holds the cache of a request that has not come yet.
    func findHeld(_ id: Int64) -> Int32? { entries.firstIndex { $0.phase == .held && $0.request.id == id }.map(Int32.init) }

    /// Slots in use, in the order of their requests.
    var slotsByRequest: [Int32] {
        entries.indices.filter { entries[$0].phase != .none }.sorted { (entries[$0].request.id, $0) < (entries[$1].request.id, $1) }.map(Int32.init)
    }

    /// The slot of a request, wherever it stands.
    func find(id: Int64, stream: Int32) -> Int32? {
        entries.firstIndex { $0.phase != .none && $0.request.id == id && $0.request.stream == stream }.map(Int32.init)
    }
}
