import CProtobufC
import CWire
import Policies

/// Packs what a program outside is asked (`CWire/policy.proto`). Reuses its memory from question to question.
final class QuestionEncoder {
    private let arena = Arena()
    /// Of `policy.proto`.
    private static let version: UInt32 = 1

    /// What is asked.
    enum Question {
        case begin(node: String, decision: String, seed: UInt64, born: Int64)
        case route(RequestView, [WorkerView])
        case admit(WaitingQueue, EngineView)
    }

    /// The bytes of a question, until the next one; `nil` when it does not fit in memory.
    func encode(_ question: Question, sequence: UInt64) -> UnsafeRawBufferPointer? {
        arena.reset()
        guard let packed = arena.make(testbed__policy__question__init) else { return nil }
        packed.pointee.sequence = sequence
        switch question {
        case .begin(let node, let decision, let seed, let born):
            guard let begin = arena.make(testbed__policy__begin__init), let node = text(node), let decision = text(decision) else { return nil }
            begin.pointee.version = Self.version
            begin.pointee.node = node
            begin.pointee.decision = decision
            begin.pointee.seed = seed
            begin.pointee.born = born
            packed.pointee.body_case = TESTBED__POLICY__QUESTION__BODY_BEGIN
            packed.pointee.begin = begin
        case .route(let request, let workers):
            guard let route = arena.make(testbed__policy__route__init) else { return nil }
            guard let request = pack(request), let workers = list(workers, pack) else { return nil }
            route.pointee.request = request
            (route.pointee.n_workers, route.pointee.workers) = workers
            packed.pointee.body_case = TESTBED__POLICY__QUESTION__BODY_ROUTE
            packed.pointee.route = route
        case .admit(let waiting, let engine):
            guard let admit = arena.make(testbed__policy__admit__init) else { return nil }
            guard let engine = pack(engine), let waiting = list((0..<waiting.count).lazy.map { waiting[$0] }, pack) else { return nil }
            admit.pointee.engine = engine
            (admit.pointee.n_waiting, admit.pointee.waiting) = waiting
            packed.pointee.body_case = TESTBED__POLICY__QUESTION__BODY_ADMIT
            packed.pointee.admit = admit
        }
        let size = testbed__policy__question__get_packed_size(packed)
        guard let bytes = arena.array(UInt8.self, count: size) else { return nil }
        testbed__policy__question__pack(packed, bytes)
        return UnsafeRawBufferPointer(start: bytes, count: size)
    }

    private func text(_ text: String) -> UnsafeMutablePointer<CChar>? {
        let source = text.utf8CString
        guard let copy = arena.array(CChar.self, count: source.count) else { return nil }
        for (place, character) in source.enumerated() { copy[place] = character }
        return copy
    }

    /// Packs each item into an array of pointers, as protobuf-c has it.
    private func list<Items: Collection, Packed>(
        _ items: Items, _ pack: (Items.Element) -> UnsafeMutablePointer<Packed>?
    ) -> (count: Int, items: UnsafeMutablePointer<UnsafeMutablePointer<Packed>?>)? {
        guard let list = arena.array(UnsafeMutablePointer<Packed>?.self, count: items.count) else { return nil }
        for (place, item) in items.enumerated() {
            guard let packed = pack(item) else { return nil }
            (list + place).initialize(to: packed)
        }
        return (items.count, list)
    }

    private func numbers(_ numbers: [Int64]) -> (count: Int, items: UnsafeMutablePointer<Int64>)? {
        guard let list = arena.array(Int64.self, count: numbers.count) else { return nil }
        for (place, number) in numbers.enumerated() { (list + place).initialize(to: number) }
        return (numbers.count, list)
    }

    private func pack(_ prediction: Prediction) -> UnsafeMutablePointer<Testbed__Policy__Prediction>? {
        guard let packed = arena.make(testbed__policy__prediction__init) else { return nil }
        packed.pointee.is_known = prediction.isKnown ? 1 : 0
        packed.pointee.expected = prediction.expected
        packed.pointee.lower = prediction.lower
        packed.pointee.upper = prediction.upper
        return packed
    }

    private func pack(_ request: RequestView) -> UnsafeMutablePointer<Testbed__Policy__Request>? {
        guard let packed = arena.make(testbed__policy__request__init) else { return nil }
        packed.pointee.id = request.id
        packed.pointee.prompt_tokens = request.promptTokens
        packed.pointee.priority = request.priority
        packed.pointee.prediction = pack(request.prediction)
        packed.pointee.generated = request.generated
        packed.pointee.arrival = request.arrival
        packed.pointee.now = request.now
        packed.pointee.session = request.session
        return packed
    }

    private func pack(_ worker: WorkerView) -> UnsafeMutablePointer<Testbed__Policy__Worker>? {
        guard let packed = arena.make(testbed__policy__worker__init), let requests = numbers(worker.endingRequests),
            let tokens = numbers(worker.endingTokens)
        else { return nil }
        packed.pointee.node = worker.traits.node
        packed.pointee.prefills = worker.traits.prefills ? 1 : 0
        packed.pointee.decodes = worker.traits.decodes ? 1 : 0
        packed.pointee.places = worker.traits.places
        packed.pointee.prefill_rate = worker.traits.prefillRate
        packed.pointee.decode_rate = worker.traits.decodeRate
        packed.pointee.round_time = worker.traits.roundTime
        packed.pointee.reported_at = worker.reportedAt
        packed.pointee.waiting_requests = worker.waitingRequests
        packed.pointee.running_requests = worker.runningRequests
        packed.pointee.waiting_tokens = worker.waitingTokens
        packed.pointee.used_blocks = worker.usedBlocks
        packed.pointee.total_blocks = worker.totalBlocks
        packed.pointee.block_size = worker.blockSize
        packed.pointee.context_tokens = worker.contextTokens
        packed.pointee.predicted_tokens = worker.predictedTokens
        (packed.pointee.n_ending_requests, packed.pointee.ending_requests) = requests
        (packed.pointee.n_ending_tokens, packed.pointee.ending_tokens) = tokens
        packed.pointee.head_blocks = worker.headBlocks
        packed.pointee.urgent_requests = worker.urgentRequests
        packed.pointee.is_migrating = worker.isMigrating ? 1 : 0
        packed.pointee.unseen_requests = worker.unseenRequests
        packed.pointee.unseen_tokens = worker.unseenTokens
        packed.pointee.unseen_predicted = worker.unseenPredicted
        return packed
    }

    private func pack(_ request: QueuedRequest) -> UnsafeMutablePointer<Testbed__Policy__Waiting>? {
        guard let packed = arena.make(testbed__policy__waiting__init) else { return nil }
        packed.pointee.id = request.id
        packed.pointee.priority = request.priority
        packed.pointee.arrival = request.arrival
        packed.pointee.tokens = request.tokens
        packed.pointee.generated = request.generated
        packed.pointee.prediction = pack(request.prediction)
        packed.pointee.rank = request.rank
        return packed
    }

    private func pack(_ request: RunningRequest) -> UnsafeMutablePointer<Testbed__Policy__Running>? {
        guard let packed = arena.make(testbed__policy__running__init) else { return nil }
        packed.pointee.id = request.id
        packed.pointee.priority = request.priority
        packed.pointee.arrival = request.arrival
        packed.pointee.tokens = request.tokens
        packed.pointee.computed = request.computed
        packed.pointee.generated = request.generated
        packed.pointee.blocks = request.blocks
        packed.pointee.prediction = pack(request.prediction)
        packed.pointee.first_expected = request.firstExpected
        packed.pointee.is_evictable = request.isEvictable ? 1 : 0
        return packed
    }

    private func pack(_ engine: EngineView) -> UnsafeMutablePointer<Testbed__Policy__Engine>? {
        guard let packed = arena.make(testbed__policy__engine__init), let running = list(engine.running, pack) else { return nil }
        packed.pointee.now = engine.now
        packed.pointee.block_size = engine.blockSize
        packed.pointee.free_blocks = engine.freeBlocks
        packed.pointee.total_blocks = engine.totalBlocks
        packed.pointee.token_budget = Int64(engine.tokenBudget)
        packed.pointee.max_batch = Int64(engine.maxBatch)
        packed.pointee.cuts_prompts = engine.cutsPrompts ? 1 : 0
        packed.pointee.grows_caches = engine.growsCaches ? 1 : 0
        packed.pointee.joins_prefilled = engine.joinsPrefilled ? 1 : 0
        packed.pointee.is_pull = engine.isPull ? 1 : 0
        (packed.pointee.n_running, packed.pointee.running) = running
        return packed
    }
}
