import Quantities

/// The iterations of ranks that each have the same queue of prompts.
struct MixedGang {
    private let queue: PromptQueue
    /// Of all iterations, and of those that come after one of each of the queue's lengths.
    private let levels: PieceLevels
    private let after: [PieceLevels]
    private let model: RankModel
    private let shape: ExpertParallelShape
    private let batch: Double
    /// By level.
    private let pieces: [RankModel.Piece]
    /// Seconds of the iterations that were asked for.
    private var known: [Int: Double] = [:]

    init(_ model: RankModel, _ shape: ExpertParallelShape, batch: Double, queue: PromptQueue) {
        let groups = PieceLevels.groups(queue, ranks: shape.ranks, microBatches: shape.microBatches)
        levels = groups.any
        after = groups.after
        let mean = model.demand.pairsPerToken
        let full = groups.any.tokens[groups.any.tokens.count - 1]
        let deepest = model.demand.pairsPerToken(size: full, count: groups.any.fullRanks)
        pieces = groups.any.tokens.map { RankModel.Piece(tokens: $0, attended: $0 == full ? deepest : mean) }
        self.queue = queue
        self.model = model
        self.shape = shape
        self.batch = batch
    }

    /// Seconds of an iteration by the levels of its largest pieces, in falling order.
    private mutating func length(_ largest: [Int]) -> Double {
        // Ten levels at most.
        var key = 0
        for level in largest { key = 16 * key + level }
        if let length = known[key] { return length }
        var (here, totals): ([RankModel.Piece], [Double]) = ([], [])
        for level in largest {
            here.append(pieces[level])
            totals.append(levels.total(level))
        }
        let time = seconds(model.iterationTime(shape, batch: batch, pieces: here, totals: totals))
        known[key] = time
        return time
    }

    /// - Parameter own: level of a piece that a rank is known to have.
    private mutating func lengths(_ levels: PieceLevels, given own: Int? = nil) -> [PromptQueue.Length] {
        var lengths: [PromptQueue.Length] = []
        for (largest, probability) in levels.combinations(given: own) { lengths.append((length(largest), probability)) }
        return lengths
    }

    /// Lengths of iterations with their probabilities. Ranks have their pieces independent of each other but for the time in which all of them came.
    mutating func lengths() -> [PromptQueue.Length] {
        var all: [PromptQueue.Length] = []
        for (before, levels) in zip(queue.chunks, after) {
            for length in lengths(levels) { all.append((length.length, length.probability * before.probability)) }
        }
        return all
    }

    /// Times to the first token with their probabilities.
    /// - Parameter mean: length of an iteration.
    mutating func times(mean: Double) -> [(time: Double, probability: Double)] {
        let always = own(levels)
        var next: [[Own]] = []
        for levels in after { next.append(own(levels)) }
        return queue.times(mean: mean) { share, before in
            let own = before.map { next[$0] } ?? always
            return own.min { abs($0.share - share) < abs($1.share - share) }?.lengths ?? []
        }
    }

    /// Lengths of iterations in which a rank has a piece, by its share of a full one.
    private typealias Own = (share: Double, lengths: [PromptQueue.Length])

    private mutating func own(_ levels: PieceLevels) -> [Own] {
        var own: [Own] = []
        let full = levels.tokens[levels.tokens.count - 1]
        for level in 1..<levels.tokens.count { own.append((levels.tokens[level] / full, lengths(levels, given: level).merged(4))) }
        return own
    }
}
