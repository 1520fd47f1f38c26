import Quantities

/// Prompts at one rank whose iterations compute up to so many tokens of them, in the order of arrival: what an iteration has of them, and how long one waits.
///
/// Prompts come at random, a Poisson number in each iteration with a mean that goes by its length, and join at its end. What is left after iteration `i` follows Lindley's recursion
/// `r(i + 1) = max(0, r(i) + A(i) - C)` with `A` the tokens that came (compound Poisson, by Panjer's recursion, ASTIN Bulletin 12, 1981) and `C` those that an iteration
/// computes. Its limit is worked out on a grid of cells, from an empty queue on: each step only adds, so that it is the smallest solution. A prompt between
/// two cells counts in both, in shares that keep its mean.
///
/// Not in it: long iterations follow each other more than by chance; tokens that decode vary, and with them what is left of an iteration for prompts; ranks chosen by their load, whose prompts come more evenly.
struct PromptQueue: Sendable {
    /// Cells of what an iteration computes, at least and at most; and of what may wait.
    private static let cellChoices = 8...48
    private static let most = 512
    /// Steps of the recursion: near a load of 1, where waiting has hardly a limit, it is cut off.
    private static let mostSteps = 500
    /// Instants of an iteration at which a prompt may come.
    private static let moments = [0.125, 0.375, 0.625, 0.875]

    /// Tokens of a cell, and cells of an iteration.
    let cell: Double
    let cells: Int
    /// Share of what iterations could compute that comes; from 1 on there is no limit.
    let load: Double
    /// Probability of so many cells in an iteration, by the length of the one before it; the last entry is a full one.
    private(set) var chunks: [(probability: Double, cells: [Double])]
    /// Probabilities of a prompt's size, and of what iterations leave over, in cells; empty where there is no limit.
    private var sizes: [Double] = []
    private var left: [Double] = []
    private let perIteration: Double
    private let lengths: [Length]

    /// A prompt that comes in an iteration of one of the lengths, at one of the moments.
    private struct Arrival {
        var place: Int
        /// Of the iteration, as a share of the mean.
        var length: Double
        var moment: Double
        var probability: Double
        /// Probabilities of so many cells up to its end; what lies beyond is missing.
        var cells: [Double]
    }

    /// - Parameters:
    ///   - prompts: lengths, each as likely as any other; not empty.
    ///   - perIteration: prompts that come to the rank in an iteration, in the mean.
    ///   - capacity: tokens of prompts that an iteration can have, 1 or more.
    ///   - depth: iterations to look ahead: how long it takes beyond that is not told apart.
    ///   - lengths: of iterations with their probabilities, in any unit; not empty.
    init(prompts: [Int], perIteration: Double, capacity: Int, depth: Int, lengths: [Length] = [(1, 1)]) {
        let mean = prompts.reduce(0.0) { $0 + Double($1) } / Double(max(1, prompts.count))
        let tokens = Double(max(1, capacity))
        let wanted = Int(min(2 * tokens / max(1, mean), Double(Self.cellChoices.upperBound)).rounded(.up))
        cells = max(wanted, Self.cellChoices.lowerBound)
        cell = tokens / Double(cells)
        load = perIteration * mean / tokens
        self.perIteration = perIteration
        self.lengths = lengths
        var full = [Double](repeating: 0, count: cells + 1)
        full[cells] = 1
        chunks = lengths.map { ($0.probability, full) }
        guard load < 1 else { return }
        let room = min(Self.most, max(2, depth + 1) * cells)
        sizes = Self.sizes(prompts, cell: cell, room: room)
        let coming = lengths.map { Self.compound(sizes, perIteration * $0.length / meanLength, room: room) }
        var all = [Double](repeating: 0, count: room)
        for (length, coming) in zip(lengths, coming) {
            for place in all.indices { all[place] += length.probability * coming[place] }
        }
        left = leftOver(all)
        for place in lengths.indices {
            let present = Self.sum(left, coming[place], room: cells)
            chunks[place].cells = present + [max(0, 1 - present.reduce(0, +))]
        }
    }

    private var meanLength: Double { lengths.reduce(0) { $0 + $1.length * $1.probability } }

    /// Prompts by the moments at which they come.
    private var arrivals: [Arrival] {
        guard !left.isEmpty else { return [] }
        // A prompt is in one cell at least.
        var own = sizes
        own[1] += own[0]
        own[0] = 0
        let before = Self.sum(left, own, room: left.count)
        return lengths.enumerated().flatMap { place, length in
            Self.moments.map { moment in
                let ratio = length.length / meanLength
                let sums = Self.compound(sizes, perIteration * moment * ratio, room: left.count)
                return Arrival(
                    place: place, length: ratio, moment: moment, probability: length.probability * ratio / Double(Self.moments.count),
                    cells: Self.sum(before, sums, room: left.count))
            }
        }
    }

    /// Probability of so many cells in any iteration.
    var anyChunks: [Double] {
        (0...cells).map { cell in chunks.reduce(0) { $0 + $1.probability * $1.cells[cell] } }
    }

    /// The length of an iteration, and how likely it is.
    typealias Length = (length: Double, probability: Double)

    /// Whether there is a limit.
    var isStable: Bool { load < 1 }

    /// Times to the first token, each with its probability; those beyond the depth are missing.
    /// - Parameters:
    ///   - mean: length of an iteration.
    ///   - own: lengths of those in which the rank has so large a share of a full piece, after one whose length has that place, or any.
    func times(mean: Double, _ own: (Double, _ after: Int?) -> [Length]) -> [(time: Double, probability: Double)] {
        func lasts(_ after: Int?) -> [[Length]] { (0...cells).map { $0 == 0 ? [] : own(Double($0) / Double(cells), after) } }
        func middle(_ lengths: [Length]) -> Double { lengths.reduce(0) { $0 + $1.length * $1.probability } }
        let later = lasts(nil)
        let first = chunks.indices.map(lasts)
        let full = middle(later[cells])
        var times: [(time: Double, probability: Double)] = []
        for arrival in arrivals {
            let rest = (1 - arrival.moment) * arrival.length * mean
            let fullFirst = middle(first[arrival.place][cells])
            for (count, probability) in arrival.cells.enumerated() where count > 0 && probability > 1e-9 {
                let before = (count - 1) / cells
                let waited = before > 0 ? rest + fullFirst + Double(before - 1) * full : rest
                for last in (before > 0 ? later : first[arrival.place])[count - before * cells] {
                    times.append((waited + last.length, arrival.probability * probability * last.probability))
                }
            }
        }
        return times
    }

    /// Lindley's recursion to its limit.
    private func leftOver(_ coming: [Double]) -> [Double] {
        var left = [Double](repeating: 0, count: coming.count)
        left[0] = 1
        for _ in 0..<Self.mostSteps {
            let present = Self.sum(left, coming, room: left.count)
            var next = [Double](repeating: 0, count: left.count)
            next[0] = present[...cells].reduce(0, +)
            for place in cells + 1..<present.count { next[place - cells] = present[place] }
            // What goes beyond the room stays at its end.
            next[next.count - 1] += max(0, 1 - present.reduce(0, +))
            let change = zip(left, next).reduce(0) { $0 + abs($1.0 - $1.1) }
            left = next
            if change < 1e-6 { break }
        }
        return left
    }

    /// The probabilities of a prompt's size in cells.
    private static func sizes(_ lengths: [Int], cell: Double, room: Int) -> [Double] {
        var sizes = [Double](repeating: 0, count: room)
        for length in lengths {
            let size = Double(length) / cell
            let below = Int(size)
            let above = size - Double(below)
            for (place, share) in [(below, 1 - above), (below + 1, above)] where place < room { sizes[place] += share / Double(lengths.count) }
        }
        return sizes
    }

    /// Cells of a Poisson number of prompts: `p(0) = e^(-a (1 - f(0)))`, `p(s) = a / s sum over j in 1...s of j f(j) p(s - j)`.
    private static func compound(_ sizes: [Double], _ mean: Double, room: Int) -> [Double] {
        var sums = [Double](repeating: 0, count: room)
        sums[0] = exponential(-mean * (1 - sizes[0]))
        let weighted = sizes.enumerated().map { Double($0) * $1 }
        for total in 1..<room {
            var sum = 0.0
            for size in 1...total { sum += weighted[size] * sums[total - size] }
            sums[total] = mean / Double(total) * sum
        }
        return sums
    }

    /// The sum of two independent numbers, below `room`.
    private static func sum(_ left: [Double], _ right: [Double], room: Int) -> [Double] {
        var sums = [Double](repeating: 0, count: room)
        // What is beyond the last likely number adds nothing.
        let (lefts, rights) = (Self.support(left), Self.support(right))
        sums.withUnsafeMutableBufferPointer { sums in
            left.withUnsafeBufferPointer { left in
                right.withUnsafeBufferPointer { right in
                    for place in 0..<min(lefts, room) where left[place] > 1e-12 {
                        for other in 0..<min(rights, room - place) { sums[place + other] += left[place] * right[other] }
                    }
                }
            }
        }
        return sums
    }

    /// Places up to the last with a probability worth counting.
    private static func support(_ numbers: [Double]) -> Int { (numbers.lastIndex { $0 > 1e-12 } ?? -1) + 1 }
}
