import Quantities
import Testing

@Suite("A matching of most weight")
struct MatchingTests {
    @Test("weighs as much as the best of all", arguments: 0..<200)
    func optimum(_ number: UInt64) {
        var random = RandomStream(seed: number, stream: 1)
        let rows = 1 + random.below(6)
        let columns = 1 + random.below(6)
        let range = [2, 10, 1_000_000][random.below(3)]
        let weights = (0..<rows).map { _ in (0..<columns).map { _ in Int64(random.below(range)) } }
        let found = MaximumWeightMatching.solve(weights)
        let taken = found.compactMap { $0 }
        #expect(Set(taken).count == taken.count)
        #expect(taken.count == min(rows, columns))
        let weight = found.enumerated().reduce(Int64(0)) { sum, pair in sum + (pair.element.map { weights[pair.offset][$0] } ?? 0) }
        #expect(weight == best(weights, from: 0, taken: []))
    }

    /// Over all ways.
    private func best(_ weights: [[Int64]], from row: Int, taken: Set<Int>) -> Int64 {
        guard row < weights.count else { return 0 }
        var most = best(weights, from: row + 1, taken: taken)
        for column in weights[row].indices where !taken.contains(column) {
            most = max(most, weights[row][column] + best(weights, from: row + 1, taken: taken.union([column])))
        }
        return most
    }

    @Test("of nothing is nothing")
    func empty() {
        #expect(MaximumWeightMatching.solve([]) == [])
        #expect(MaximumWeightMatching.solve([[], []]) == [nil, nil])
    }
}
