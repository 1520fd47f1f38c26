import Quantities

/// How much memory the requests of a batch will hold in each iteration to come, if each is as long as predicted: the look-ahead check of 2502.07115.
///
/// Model: every iteration brings each running request a token, once its prompt is computed. A request of `tokens` tokens that has its next one after
/// `delay` iterations and `rest` tokens to come holds the blocks of `tokens` + max(0, t - `delay`) tokens in iteration t, up to iteration `delay` +
/// `rest` - 1. Between two ends use only grows, so it is enough to look at the last iteration of each request. Exact for predictions that hold, while
/// the token budget has room for every running request and no prompt is longer than it; else an estimate, behind which stands preemption.
///
/// Cost: O(n) for each request that is tried beside n others, and O(n squared) once in a decision, which is left out when the first does not fit even
/// now. Where caches do not grow, only what is free now counts.
public struct MemoryForecast: Sendable {
    /// Which of the predicted lengths is believed.
    public enum Basis: Sendable {
        case expected, lower, upper

        /// Output tokens still to come after `generated`, at least 1.
        func rest(_ prediction: Prediction, after generated: Int32) -> Int64 {
            let length: Int32
            switch self {
            case .expected: length = prediction.expected
            case .lower: length = prediction.lower
            case .upper: length = prediction.upper
            }
            return Int64(max(1, length - generated))
        }
    }

    private struct Item: Sendable {
        var tokens: Int64
        var delay: Int64
        var last: Int64
    }

    private let basis: Basis
    private let keptBack: Double
    private var items: [Item] = []
    /// Blocks in use in the last iteration of each item.
    private var usage: [Int64] = []
    private var isCounted = false
    private var limit: Int64 = 0
    private var free: Int64 = 0
    private var blockSize: Int64 = 1
    private var budget: Int64 = 1
    private var growsCaches = true
    private var isPull = false

    /// - Parameter keptBack: share of the blocks that nobody may be admitted into.
    public init(basis: Basis, keptBack: Double = 0) {
        self.basis = basis
        self.keptBack = keptBack
    }

    /// Starts from the requests that run.
    public mutating func begin(_ engine: EngineView) {
        items.removeAll(keepingCapacity: true)
        usage.removeAll(keepingCapacity: true)
        isCounted = false
        blockSize = engine.blockSize
        budget = Int64(max(1, engine.tokenBudget))
        growsCaches = engine.growsCaches
        isPull = engine.isPull
        let kept = Int64((Double(engine.totalBlocks) * keptBack).rounded(.up))
        free = engine.freeBlocks - kept
        // What others hold (caches that wait to be pulled) stays.
        limit = free
        for request in engine.running {
            limit += Int64(request.blocks)
            let rounds = (Int64(request.tokens - request.computed) + budget - 1) / budget
            // Where whole prompts go first, those that run stand still while one is computed.
            let delay = max(1, rounds) + (engine.cutsPrompts || isPull ? 0 : 1)
            let rest = basis.rest(request.prediction, after: request.generated)
            items.append(Item(tokens: Int64(request.tokens), delay: delay, last: delay + rest - 1))
        }
    }

    /// Adds a request if memory lasts to its end and to that of everybody else.
    public mutating func admit(_ request: QueuedRequest) -> Bool {
        let tokens = Int64(request.tokens)
        let now = blocks(tokens)
        guard now <= free else { return false }
        guard growsCaches else {
            free -= now
            return true
        }
        if !isCounted { count() }
        let delay = isPull ? 1 : (tokens + budget - 1) / budget
        let item = Item(tokens: tokens, delay: delay, last: delay + basis.rest(request.prediction, after: request.generated) - 1)
        var own = blocks(of: item, in: item.last)
        for place in items.indices {
            if items[place].last <= item.last, usage[place] + blocks(of: item, in: items[place].last) > limit { return false }
            if items[place].last >= item.last { own += blocks(of: items[place], in: item.last) }
        }
        guard own <= limit else { return false }
        for place in items.indices where items[place].last <= item.last { usage[place] += blocks(of: item, in: items[place].last) }
        items.append(item)
        usage.append(own)
        free -= now
        return true
    }

    private mutating func count() {
        isCounted = true
        for item in items {
            var sum: Int64 = 0
            for other in items where other.last >= item.last { sum += blocks(of: other, in: item.last) }
            usage.append(sum)
        }
    }

    @inline(__always)
    private func blocks(of item: Item, in iteration: Int64) -> Int64 { blocks(item.tokens + max(0, iteration - item.delay)) }

    /// Blocks that a number of tokens takes. Lengths are 32 bits, and so is the division, which is faster.
    @inline(__always)
    private func blocks(_ tokens: Int64) -> Int64 {
        Int64(UInt32(truncatingIfNeeded: tokens + blockSize - 1) / UInt32(truncatingIfNeeded: blockSize))
    }
}

extension MemoryForecast {
    /// Admits the queue from its head while the check holds. What nobody could join (a length that leaves no room, a share that is kept back) joins
    /// when nothing runs: then nobody else can be hurt.
    mutating func admitPrefix(of waiting: WaitingQueue, _ engine: EngineView, into admitted: inout [QueuedRequest]) {
        let places = min(waiting.count, engine.freePlaces)
        guard places > 0 else { return }
        begin(engine)
        for place in 0..<places {
            guard admit(waiting[place]) else {
                if place == 0, engine.running.isEmpty { admitted.append(waiting[0]) }
                return
            }
            admitted.append(waiting[place])
        }
    }
}
