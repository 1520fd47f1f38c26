import Quantities

@testable import Models

/// Probabilities that each expert is among `picks` drawn one after the other in proportion to weights, by enumeration of all sets.
func enumeratedInclusion(_ weights: [Double], picks: Int) -> [Double] {
    var sets: [Int: Double] = [0: 1]
    for _ in 0..<picks {
        var next: [Int: Double] = [:]
        for (set, probability) in sets {
            let left = weights.indices.filter { set & (1 << $0) == 0 }
            let sum = left.reduce(0) { $0 + weights[$1] }
            for expert in left { next[set | 1 << expert, default: 0] += probability * weights[expert] / sum }
        }
        sets = next
    }
    return weights.indices.map { expert in sets.reduce(0) { $1.key & (1 << expert) != 0 ? $0 + $1.value : $0 } }
}

extension Gate {
    /// Counts of one call, and what it dropped.
    mutating func counts(layer: Int = 0, batch: Int64 = 0, rank: Int = 0, tokens: Int, at now: Instant = 0) -> (counts: [Int32], dropped: Int) {
        var counts: [Int32] = []
        let dropped = route(layer: layer, batch: batch, rank: rank, tokens: tokens, at: now, into: &counts)
        return (counts, dropped)
    }

    /// Share of `batches` x `tokens` tokens that pick each expert.
    mutating func frequencies(layer: Int = 0, batches: Int, tokens: Int) -> [Double] {
        var sums = [Int](repeating: 0, count: experts)
        var counts: [Int32] = []
        for batch in 0..<batches {
            _ = route(layer: layer, batch: Int64(batch), rank: 0, tokens: tokens, at: 0, into: &counts)
            for expert in sums.indices { sums[expert] += Int(counts[expert]) }
        }
        return sums.map { Double($0) / Double(batches * tokens) }
    }
}

/// Largest difference of two rows of numbers.
func largestDifference(_ one: [Double], _ other: [Double]) -> Double { zip(one, other).map { abs($0 - $1) }.max() ?? 0 }

func mean(_ numbers: [Double]) -> Double { numbers.reduce(0, +) / Double(numbers.count) }

func variance(_ numbers: [Double]) -> Double {
    let centre = mean(numbers)
    return mean(numbers.map { ($0 - centre) * ($0 - centre) })
}

func correlation(_ one: [Double], _ other: [Double]) -> Double {
    let (a, b) = (mean(one), mean(other))
    return mean(zip(one, other).map { ($0 - a) * ($1 - b) }) / (variance(one) * variance(other)).squareRoot()
}

func ranks(_ numbers: [Double]) -> [Double] {
    var ranks = [Double](repeating: 0, count: numbers.count)
    for (rank, index) in numbers.indices.sorted(by: { (numbers[$0], $0) < (numbers[$1], $1) }).enumerated() { ranks[index] = Double(rank) }
    return ranks
}
