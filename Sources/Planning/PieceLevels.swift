import Quantities

/// The largest pieces of prompts in an iteration of a gang, over its ranks: all wait in every layer for the rank that has most.
///
/// Each rank has no piece, a part of a full one, or a full one, independent of the others. A rank cuts its tokens into micro-batches by requests, so that its piece is in one of
/// them, each as likely as another. So the largest piece in a micro-batch is at most `x` with a probability of `(1 - P(piece > x) / m)^R`, for `m` micro-batches
/// and `R` ranks; what micro-batches have is taken for independent too.
///
/// Not in it: a piece that belongs to two prompts, and so may be in two micro-batches.
struct PieceLevels {
    /// Tokens of pieces, ascending: none, some groups of those that are not full, the full one.
    let tokens: [Double]
    /// Of a rank's iterations.
    let probabilities: [Double]
    let ranks: Int
    let microBatches: Int
    /// Probability that a rank has no larger piece in a micro-batch, and the mean of what it has there, a larger piece left out.
    private let within: [Double]
    private let upTo: [Double]

    /// What all iterations of a queue have, and what those have that come after one of each length, in the same groups.
    static func groups(_ queue: PromptQueue, ranks: Int, microBatches: Int) -> (any: PieceLevels, after: [PieceLevels]) {
        // The times of all combinations are worked out: fewer groups where there are more micro-batches.
        let groups = Double(microBatches == 1 ? 8 : microBatches == 2 ? 3 : 1)
        let chunks = queue.anyChunks
        let partial = max(0, 1 - chunks[0] - chunks[queue.cells])
        var parts = [0..<1]
        var (sum, before) = (0.0, 0.0)
        for cell in 1..<queue.cells {
            sum += chunks[cell]
            // Groups of about the same probability.
            guard sum > 0, cell == queue.cells - 1 || (before + sum) * groups >= partial * Double(parts.count) else { continue }
            parts.append(parts[parts.count - 1].upperBound..<cell + 1)
            before += sum
            sum = 0
        }
        parts.append(queue.cells..<queue.cells + 1)
        let tokens = parts.map { part in
            let all = part.reduce(0) { $0 + chunks[$1] }
            return all > 0 ? part.reduce(0) { $0 + chunks[$1] * Double($1) } / all * queue.cell : Double(part.lowerBound) * queue.cell
        }
        func levels(_ chunks: [Double]) -> PieceLevels {
            PieceLevels(
                tokens: tokens, probabilities: parts.map { $0.reduce(0) { $0 + chunks[$1] } }, ranks: ranks, microBatches: microBatches)
        }
        return (levels(chunks), queue.chunks.map { levels($0.cells) })
    }

    /// - Parameter probabilities: of pieces of so many tokens, ascending; their sum is 1.
    init(tokens: [Double], probabilities: [Double], ranks: Int, microBatches: Int) {
        self.tokens = tokens
        self.probabilities = probabilities
        self.ranks = ranks
        self.microBatches = microBatches
        let parts = Double(microBatches)
        var (within, upTo): ([Double], [Double]) = ([], [])
        var (below, mean) = (0.0, 0.0)
        for (size, probability) in zip(tokens, probabilities) {
            below += probability
            mean += probability * size
            within.append(1 - max(0, 1 - below) / parts)
            upTo.append(mean / parts)
        }
        self.within = within
        self.upTo = upTo
    }

    /// Mean tokens of prompts of all ranks in a micro-batch whose largest piece has that level:
    /// `R (U(x) F(x)^(R - 1) - U(x') F(x')^(R - 1)) / (F(x)^R - F(x')^R)` with `U(x)` the mean of what a rank has up to `x`, and `x'` the level below.
    func total(_ level: Int) -> Double {
        func part(_ level: Int) -> (sum: Double, probability: Double) {
            guard level >= 0 else { return (0, 0) }
            let others = power(within[level], ranks - 1)
            return (Double(ranks) * upTo[level] * others, within[level] * others)
        }
        let (here, below) = (part(level), part(level - 1))
        let probability = here.probability - below.probability
        return probability > 1e-9 ? (here.sum - below.sum) / probability : tokens[level]
    }

    /// Ranks with a full piece in a micro-batch, in the mean of those where one has: `R f / (1 - (1 - f)^R)` for a rank's probability `f`.
    var fullRanks: Double {
        let full = (probabilities.last ?? 0) / Double(microBatches)
        let any = 1 - power(1 - full, ranks)
        return any > 1e-9 ? Double(ranks) * full / any : 1
    }

    /// Probabilities of the levels of the largest piece in a micro-batch over so many ranks.
    func largest(of count: Int) -> [Double] {
        var last = 0.0
        return within.map { within in
            let below = power(within, count)
            defer { last = below }
            return max(0, below - last)
        }
    }

    /// The largest levels of all micro-batches, in falling order, with their probabilities: in an iteration of which nothing is known, or one in which a
    /// rank's piece has a level.
    func combinations(given own: Int? = nil) -> [(levels: [Int], probability: Double)] {
        let others = largest(of: own == nil ? ranks : ranks - 1)
        var first = others
        if let own {
            // The rank's own piece is in the first micro-batch, or in whichever takes its place.
            first = others.indices.map { $0 < own ? 0 : $0 > own ? others[$0] : others[...own].reduce(0, +) }
        }
        var all: [(levels: [Int], probability: Double)] = [([], 1)]
        for part in 0..<microBatches {
            var longer: [(levels: [Int], probability: Double)] = []
            for (levels, probability) in all {
                for (level, share) in (part == 0 ? first : others).enumerated() where probability * share > Self.least {
                    longer.append((levels + [level], probability * share))
                }
            }
            all = longer
        }
        // What was left out is as what is there.
        let sum = all.reduce(0) { $0 + $1.probability }
        return all.map { ($0.levels.sorted(by: >), $0.probability / sum) }
    }

    /// What is less likely is left out.
    private static let least = 1e-4
}
