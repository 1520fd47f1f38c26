import Models
import Quantities

/// What tells iterations with pieces of prompts apart.
struct MixKey: Hashable {
    var ranks: Int
    var slots: Int
    var microBatches: Int
    var chunk: Int
    var batch: Double
}

/// What tells queues of prompts apart where iterations are all alike.
struct QueueKey: Hashable {
    var chunk: Int
    var batch: Double
    var depth: Int
}

/// Iterations with pieces of prompts, and the prompts' times in them. In seconds.
struct MixedIterations {
    /// Lengths of iterations.
    var lengths: [PromptQueue.Length]
    var queue: PromptQueue
    /// Times to the first token with their probabilities, without the way of a request and its first token; those that take too long are missing.
    var times: [(time: Double, probability: Double)] = []

    var mean: Double { lengths.reduce(0) { $0 + $1.length * $1.probability } }
    /// Variance by the square of the mean.
    var variation: Double { lengths.reduce(0) { $0 + $1.length * $1.length * $1.probability } / (mean * mean) - 1 }

    /// Share of the prompts whose first token comes within so many seconds.
    func attainment(within bound: Double) -> Double { times.reduce(0) { $0 + ($1.time <= bound ? $1.probability : 0) } }

    /// The mean of those times that are told apart.
    var meanTime: Double {
        let (sum, all) = times.reduce((0.0, 0.0)) { ($0.0 + $1.time * $1.probability, $0.1 + $1.probability) }
        return all > 0 ? sum / all : 0
    }

    /// The time that so large a share of the prompts does not exceed; `nil` where it is not told apart from longer ones.
    func time(of share: Double) -> Double? {
        var sum = 0.0
        for time in times.sorted(by: { $0.time < $1.time }) {
            sum += time.probability
            if sum >= share { return time.time }
        }
        return nil
    }
}

extension [PromptQueue.Length] {
    /// At most so many lengths with the same mean: groups of about the same probability.
    func merged(_ most: Int) -> [PromptQueue.Length] {
        var groups: [PromptQueue.Length] = []
        var (before, sum, weighted) = (0.0, 0.0, 0.0)
        for (place, entry) in sorted(by: { $0.length < $1.length }).enumerated() {
            sum += entry.probability
            weighted += entry.probability * entry.length
            guard place == count - 1 || (before + sum) * Double(most) >= Double(groups.count + 1) - 1e-9, sum > 0 else { continue }
            groups.append((weighted / sum, sum))
            before += sum
            (sum, weighted) = (0, 0)
        }
        return groups
    }
}

/// Ranks that compute prompts too, in pieces.
///
/// In an iteration a request gets one token, so of `b` that decode on a rank `b / (o - 1)` end, with `o` tokens of output, and as many prompts begin: what the
/// iterations have of prompts does not depend on how long they take (`PromptQueue`). All ranks wait in each layer for the one with the largest piece
/// (`PieceLevels`), and how long that takes says the pipeline of a rank for each micro-batch, the one with that micro-batch's largest piece.
///
/// Not in it: ranks and micro-batches decode equally many, and what a full piece takes does not fall as more decode. A full piece attends to as much as the deepest of all ranks', any other to the mean.
extension RankModel {
    /// Iterations with `batch` requests that decode on a rank in the mean, and room for so many tokens of prompts.
    /// - Parameter isTimed: whether the times to the first token are wanted, too.
    func mixed(_ shape: ExpertParallelShape, batch: Double, chunk: Int, isTimed: Bool = false) -> MixedIterations {
        let key = MixKey(ranks: shape.ranks, slots: shape.slots, microBatches: shape.microBatches, chunk: chunk, batch: batch)
        if let known = mixes[key], !isTimed || !known.times.isEmpty || !known.queue.isStable { return known }
        // A rank with a full piece takes no less than this.
        let alone = seconds(alone(shape, batch: batch, chunk: chunk))
        let wanted = (firstTokenBudget ?? Self.farthest) / alone
        // Few depths, so that shapes have queues in common.
        let depth = Self.depths.first { Double($0) >= wanted } ?? Self.depths[Self.depths.count - 1]
        var lengths: [PromptQueue.Length] = [(1, 1)]
        var rounds = 0
        while true {
            let prompts = queue(QueueKey(chunk: chunk, batch: batch, depth: depth), lengths)
            var gang = MixedGang(self, shape, batch: batch, queue: prompts)
            var mixed = MixedIterations(lengths: gang.lengths().merged(4), queue: prompts)
            // Where lengths vary, so does what comes in an iteration, and then lengths vary more.
            if prompts.isStable, rounds < Self.mostRounds, mixed.variation > 0.0025 {
                (lengths, rounds) = (mixed.lengths, rounds + 1)
                continue
            }
            if isTimed { mixed.times = gang.times(mean: mixed.mean) }
            mixes[key] = mixed
            return mixed
        }
    }

    private func queue(_ key: QueueKey, _ lengths: [PromptQueue.Length]) -> PromptQueue {
        if lengths.count == 1, let known = queues[key] { return known }
        let queue = PromptQueue(
            prompts: demand.prompts, perIteration: key.batch * promptsPerToken, capacity: key.chunk, depth: key.depth, lengths: lengths)
        if lengths.count == 1 { queues[key] = queue }
        return queue
    }

    private static let depths = [4, 8, 16, 32, 64]
    private static let mostRounds = 2
    /// Seconds that times to the first token are told apart for where there is no bound.
    private static let farthest = 2.0

    /// An iteration with one piece, on one rank.
    private func alone(_ shape: ExpertParallelShape, batch: Double, chunk: Int) -> Nanoseconds {
        let pieces = (0..<shape.microBatches).map { Piece(tokens: $0 == 0 ? Double(chunk) : 0, attended: demand.pairsPerToken) }
        return iterationTime(shape, batch: batch, pieces: pieces, totals: pieces.map(\.tokens))
    }

    /// A piece of a prompt, and what a token of it attends to in the mean.
    struct Piece {
        var tokens: Double
        var attended: Double
    }

    /// One iteration with the largest piece of each micro-batch.
    /// - Parameter totals: tokens of prompts of all ranks in the micro-batches.
    func iterationTime(_ shape: ExpertParallelShape, batch: Double, pieces: [Piece], totals: [Double]) -> Nanoseconds {
        let decoding = batch / Double(shape.microBatches)
        func part(_ piece: Piece?) -> BatchShape {
            let (tokens, attended) = (piece?.tokens ?? 0, piece?.attended ?? 0)
            return BatchShape(
                prefillTokens: Int64(tokens.rounded(.up)), prefillPairs: Int64((tokens * attended).rounded(.up)), prefillRequests: tokens > 0 ? 1 : 0,
                decodeRequests: Int64(decoding.rounded(.up)), decodeContext: Int64((decoding * demand.decodeContext).rounded(.up)))
        }
        var kinds = pieces.indices.filter { pieces[$0].tokens > 0 }.map { place in pieces.indices.map { part($0 == place ? pieces[place] : nil) } }
        if kinds.isEmpty { kinds = [pieces.map { _ in part(nil) }] }
        let tokens = totals.map { Int((Double(shape.ranks) * decoding + $0).rounded(.up)) }
        return iterationTime(shape, kinds: kinds, tokens: tokens)
    }

    /// Seconds from a request's arrival at a rank in which its first token must be there: the bound without `frontEndTime`.
    var firstTokenBudget: Double? { plan.objective?.ttft.map { seconds($0) - frontEndTime } }

    /// Seconds of the ways of a request and of its token over the front-end network.
    private var frontEndTime: Double { 2 * seconds(plan.links.control.latency) }

    public func isInTime(_ shape: ExpertParallelShape, batch: Int, tbt: Nanoseconds) -> Bool {
        guard mixesPrompts else { return iterationTime(shape, batch: batch) <= tbt }
        guard Double(batch) * promptsPerToken * demand.meanPrompt < Double(shape.chunk) else { return false }
        // What decodes alone takes no longer than what has pieces beside it.
        let pieces = Array(repeating: Piece(tokens: 0, attended: 0), count: shape.microBatches)
        guard iterationTime(shape, batch: Double(batch), pieces: pieces, totals: pieces.map(\.tokens)) <= tbt else { return false }
        let mean = mixed(shape, batch: Double(batch), chunk: shape.chunk).mean
        guard nanoseconds(fromSeconds: mean) <= tbt else { return false }
        guard let budget = firstTokenBudget else { return true }
        return mixed(shape, batch: Double(batch), chunk: shape.chunk, isTimed: true).attainment(within: budget) >= PrefillDecodePlacement.attainment
    }

    /// The requests of all ranks vary as arrivals do: those of the batch are no more than they are in nine of ten moments.
    func meanBatch(_ shape: ExpertParallelShape, batch: Int) -> Double {
        let all = Double(batch * shape.ranks)
        return BatchVariation.mean(within: all, deviations: PrefillDecodePlacement.deviations) / Double(shape.ranks)
    }

    public func tokensPerSecond(_ shape: ExpertParallelShape, batch: Int) -> Double {
        guard mixesPrompts else { return decodedPerSecond(shape, batch: batch) }
        let mean = meanBatch(shape, batch: batch)
        return tokensPerSecond(shape, mean, mixed(shape, batch: mean, chunk: shape.chunk))
    }

    /// The first tokens come from the iterations that end prompts.
    private func tokensPerSecond(_ shape: ExpertParallelShape, _ batch: Double, _ mixed: MixedIterations) -> Double {
        batch * promptsPerToken * max(1, demand.meanOutput) * Double(shape.ranks) / mixed.mean
    }

    /// What the pool as it is, is expected to do at a rate.
    func present(rate: Double) -> Expectation? {
        guard mixesPrompts, let mixture = plan.pools[place].mixture else { return nil }
        let pool = plan.pools[place]
        let shape = shape(ranks: pool.count, redundant: mixture.balance.redundantExperts, microBatches: mixture.microBatches)
        return expectation(shape, budget: pool.engine.tokenBudget, rate: rate)
    }

    /// What a pool of this shape, whose iterations have at most `budget` tokens on a rank, is expected to do at a rate; `nil` where it would not keep up.
    func expectation(_ shape: ExpertParallelShape, budget: Int, rate: Double) -> Expectation? {
        let wanted = rate * max(1, demand.meanOutput)
        func room(_ batch: Double) -> Int { Int((Double(budget) - batch).rounded(.down)) }
        func state(_ step: Int) -> (batch: Double, mixed: MixedIterations)? {
            let batch = Double(step) / 16
            guard room(batch) >= 1 else { return nil }
            let state = mixed(shape, batch: batch, chunk: room(batch))
            return state.queue.isStable ? (batch, state) : nil
        }
        let most = min(16 * held(shape).limit, 16 * budget)
        guard most > 0, let stable = Bisection.largest(in: 1...most, where: { state($0) != nil }) else { return nil }
        let carrying = Bisection.smallest(in: 1...stable) { step in
            state(step).map { tokensPerSecond(shape, $0.batch, $0.mixed) >= wanted } ?? false
        }
        guard let carrying, let batch = state(carrying)?.batch else { return nil }
        let found = mixed(shape, batch: batch, chunk: room(batch), isTimed: true)
        return Expectation(
            requestsPerSecond: rate, batch: batch * Double(shape.ranks), tbt: nanoseconds(fromSeconds: found.mean),
            meanTTFT: nanoseconds(fromSeconds: found.meanTime + frontEndTime),
            ninthTTFT: found.time(of: PrefillDecodePlacement.attainment).map { nanoseconds(fromSeconds: $0 + frontEndTime) },
            ttftAttainment: firstTokenBudget.map { found.attainment(within: $0) })
    }
}
