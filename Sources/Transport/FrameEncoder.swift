import CWire
import Nodes
import Quantities

/// Turns envelopes into the bytes of a `Frame`. Reuses its memory from frame to frame.
public final class FrameEncoder {
    let arena = Arena()

    public init() {}

    /// Packs the envelopes of `source` and hands the bytes to `body`.
    /// - Returns: `nil` when the frame does not fit in memory; nothing was handed over then.
    public func encode<Result>(
        source: Int32, _ envelopes: [Envelope], body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result? {
        arena.reset()
        guard let frame = arena.make(testbed__frame__init),
            let list = arena.array(UnsafeMutablePointer<Testbed__Envelope>?.self, count: envelopes.count)
        else { return nil }
        frame.pointee.source = UInt32(bitPattern: source)
        for (index, envelope) in envelopes.enumerated() {
            guard let packed = pack(envelope) else { return nil }
            list[index] = packed
        }
        frame.pointee.n_envelopes = envelopes.count
        frame.pointee.envelopes = list
        let size = testbed__frame__get_packed_size(frame)
        guard let bytes = arena.array(UInt8.self, count: size) else { return nil }
        testbed__frame__pack(frame, bytes)
        return try body(UnsafeRawBufferPointer(start: bytes, count: size))
    }

    /// Stands for all ranks of a gang but the sender, where a parcel names its receiver.
    static let everybody: Int32 = -1

    /// Appends a frame with one parcel that holds `frame`. Frames put one after the other are a frame with all their parcels.
    func append(_ frame: UnsafeRawBufferPointer, for target: Int32, of source: Int32, to bytes: inout [UInt8]) {
        var parcel = Testbed__Parcel()
        testbed__parcel__init(&parcel)
        parcel.target = UInt32(bitPattern: target)
        parcel.frame.len = frame.count
        parcel.frame.data = UnsafeMutablePointer(mutating: frame.bindMemory(to: UInt8.self).baseAddress)
        withUnsafeMutablePointer(to: &parcel) { parcel in
            var list: UnsafeMutablePointer<Testbed__Parcel>? = parcel
            withUnsafeMutablePointer(to: &list) { list in
                var outer = Testbed__Frame()
                testbed__frame__init(&outer)
                outer.source = UInt32(bitPattern: source)
                outer.n_parcels = 1
                outer.parcels = list
                let size = testbed__frame__get_packed_size(&outer)
                let start = bytes.count
                bytes.append(contentsOf: repeatElement(0, count: size))
                bytes.withUnsafeMutableBufferPointer { bytes in
                    if let base = bytes.baseAddress { testbed__frame__pack(&outer, base + start) }
                }
            }
        }
    }

    private func pack(_ envelope: Envelope) -> UnsafeMutablePointer<Testbed__Envelope>? {
        guard let packed = arena.make(testbed__envelope__init) else { return nil }
        packed.pointee.sequence = envelope.sequence
        packed.pointee.sent = envelope.sent
        packed.pointee.flight = envelope.head - envelope.sent
        packed.pointee.length = envelope.tail - envelope.head
        packed.pointee.bytes = envelope.bytes
        packed.pointee.link = UInt32(envelope.link)
        packed.pointee.born = envelope.born
        return pack(envelope.message, into: packed) ? packed : nil
    }

    private func pack(_ message: Message, into packed: UnsafeMutablePointer<Testbed__Envelope>) -> Bool {
        switch message {
        case .submit(let request):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_SUBMIT
            packed.pointee.submit = pack(request)
        case .assign(let request):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_ASSIGN
            packed.pointee.assign = pack(request)
        case .place(let placement):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_PLACE
            packed.pointee.place = pack(placement)
        case .prefilled(let placement):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_PREFILLED
            packed.pointee.prefilled = pack(placement)
        case .status(let load):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_STATUS
            packed.pointee.status = pack(load)
        case .tokens(let tokens):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_TOKENS
            packed.pointee.tokens = pack(tokens)
        case .milestone(let milestone):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_MILESTONE
            packed.pointee.milestone = pack(milestone)
        case .rejected(let id, let stream):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_REJECTED
            packed.pointee.rejected = packRejected(id, stream)
        case .pull(let cache):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_PULL
            packed.pointee.pull = pack(cache)
        case .cache(let cache):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_CACHE
            packed.pointee.cache = pack(cache)
        case .release(let cache):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_RELEASE
            packed.pointee.release = pack(cache)
        case .wake(let start, let epoch):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_WAKE
            packed.pointee.wake = packWake(start, epoch: epoch)
        case .routed, .fence, .fenced, .takeover, .hello, .cancel: packFaults(message, into: packed)
        case .migration(let step):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_MIGRATION
            packed.pointee.migration = pack(step)
        case .rebuild(let request):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_REBUILD
            packed.pointee.rebuild = pack(request)
        case .leaving, .handback, .evacuate, .move, .adopt, .activate, .deactivate, .retired: packDepartures(message, into: packed)
        case .layer(let message):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_LAYER
            packed.pointee.layer = pack(message)
        }
        // All bodies share one place, so this asks for whichever was set.
        return packed.pointee.submit != nil
    }

    func pack(_ request: Assignment) -> UnsafeMutablePointer<Testbed__Request>? {
        guard let packed = arena.make(testbed__request__init) else { return nil }
        packed.pointee.id = request.id
        packed.pointee.stream = request.stream
        packed.pointee.prompt_tokens = request.promptTokens
        packed.pointee.output_tokens = request.outputTokens
        packed.pointee.priority = request.priority
        packed.pointee.arrival = request.arrival
        packed.pointee.decode_node = request.decodeNode
        packed.pointee.produced = request.produced
        packed.pointee.restarts = request.restarts
        packed.pointee.lost_node = request.lostNode
        packed.pointee.holder = request.holder &+ 1
        return packed
    }

    private func pack(_ placement: Placement) -> UnsafeMutablePointer<Testbed__Placement>? {
        guard let packed = arena.make(testbed__placement__init), let request = pack(placement.request) else { return nil }
        packed.pointee.request = request
        packed.pointee.prefill_node = placement.prefillNode
        packed.pointee.prefill_slot = placement.prefillSlot
        return packed
    }

    private func pack(_ load: LoadReport) -> UnsafeMutablePointer<Testbed__Load>? {
        guard let packed = arena.make(testbed__load__init) else { return nil }
        packed.pointee.waiting_requests = load.waitingRequests
        packed.pointee.running_requests = load.runningRequests
        packed.pointee.waiting_tokens = load.waitingTokens
        packed.pointee.used_blocks = load.usedBlocks
        packed.pointee.received_requests = load.receivedRequests
        packed.pointee.received_tokens = load.receivedTokens
        packed.pointee.received_predicted = load.receivedPredicted
        packed.pointee.context_tokens = load.contextTokens
        packed.pointee.predicted_tokens = load.predictedTokens
        packed.pointee.head_blocks = load.headBlocks
        packed.pointee.urgent_requests = load.urgentRequests
        packed.pointee.is_migrating = load.isMigrating ? 1 : 0
        let classes = load.endingRequests.count
        guard classes > 0 else { return packed }
        guard load.endingTokens.count == classes, let requests = arena.array(Int32.self, count: classes),
            let tokens = arena.array(Int64.self, count: classes)
        else { return nil }
        for place in 0..<classes { (requests[place], tokens[place]) = (load.endingRequests[place], load.endingTokens[place]) }
        (packed.pointee.n_ending_requests, packed.pointee.n_ending_tokens) = (classes, classes)
        (packed.pointee.ending_requests, packed.pointee.ending_tokens) = (requests, tokens)
        return packed
    }

    private func pack(_ tokens: [StreamToken]) -> UnsafeMutablePointer<Testbed__Tokens>? {
        guard let packed = arena.make(testbed__tokens__init), let ids = arena.array(Int64.self, count: tokens.count),
            let streams = arena.array(Int32.self, count: tokens.count), let indices = arena.array(Int32.self, count: tokens.count)
        else { return nil }
        for (place, token) in tokens.enumerated() {
            ids[place] = token.id
            streams[place] = token.stream
            indices[place] = token.index
        }
        (packed.pointee.n_ids, packed.pointee.n_streams, packed.pointee.n_indices) = (tokens.count, tokens.count, tokens.count)
        (packed.pointee.ids, packed.pointee.streams, packed.pointee.indices) = (ids, streams, indices)
        return packed
    }

    private func pack(_ milestone: Milestone) -> UnsafeMutablePointer<Testbed__Milestone>? {
        guard let packed = arena.make(testbed__milestone__init) else { return nil }
        packed.pointee.id = milestone.id
        packed.pointee.stream = milestone.stream
        packed.pointee.index = milestone.index
        packed.pointee.is_last = milestone.isLast ? 1 : 0
        packed.pointee.prefill_node = milestone.prefillNode
        packed.pointee.decode_node = milestone.decodeNode
        packed.pointee.prefill_start = milestone.prefillStart
        packed.pointee.preemptions = milestone.preemptions
        packed.pointee.kv_transfer = milestone.kvTransfer
        return packed
    }

    func packRejected(_ id: Int64, _ stream: Int32) -> UnsafeMutablePointer<Testbed__Rejected>? {
        guard let packed = arena.make(testbed__rejected__init) else { return nil }
        packed.pointee.id = id
        packed.pointee.stream = stream
        return packed
    }

    private func pack(_ cache: CacheMessage) -> UnsafeMutablePointer<Testbed__Cache>? {
        guard let packed = arena.make(testbed__cache__init) else { return nil }
        packed.pointee.id = cache.id
        packed.pointee.stream = cache.stream
        packed.pointee.prefill_slot = cache.prefillSlot
        packed.pointee.decode_slot = cache.decodeSlot
        packed.pointee.is_final = cache.isFinal ? 1 : 0
        packed.pointee.prefill_start = cache.prefillStart
        return packed
    }
}
