import Policies
import Testing

@Suite("Even shares")
struct EvenSharesTests {
    /// Experts with 1, 2, 3, 5 and 7 slots, in an order without a pattern.
    private static let slots: [Int32] = [4, 1, 2, 4, 3, 3, 4, 2, 1, 4, 3, 2, 4, 3, 0, 4, 3, 4]

    @Test("slots of an expert get its tokens, none more than one above another, in numbers of 32 bits as in bytes of several layers")
    func shares() throws {
        let placements = [Self.slots, Self.slots.reversed(), [Int32](Self.slots[3...] + Self.slots[..<3])].map {
            ExpertPlacement(slots: $0, slotsPerRank: 3, experts: 5)
        }
        let layers = try #require(LayerShares(placements.map(\.evenShares)))
        for tokens in 0...255 {
            var (wide, bytes): ([[Int32]], [UInt8]) = ([], [])
            // Rows of two batches for each layer.
            for (row, placement) in zip(0..., placements.flatMap { [$0, $0] }) {
                let given = (0..<5).map { expert in Int32(expert == 4 ? tokens : (tokens * (expert + 2) + row) % 256) }
                var numbers = placement.slots.map { given[Int($0)] }
                bytes += numbers.map { UInt8($0) }
                numbers.withUnsafeMutableBufferPointer { placement.evenShares.divide($0) }
                for expert in 0..<5 {
                    let shares = placement.replicas(of: expert).map { numbers[Int($0)] }
                    #expect(shares.reduce(0, +) == given[expert])
                    #expect((shares.max() ?? 0) - (shares.min() ?? 0) <= 1)
                }
                wide.append(numbers)
            }
            // The first layer's alone, then those of the rest.
            let first = 2 * Self.slots.count
            bytes.withUnsafeMutableBytes {
                layers.divide(0..<1, of: UnsafeMutableRawBufferPointer(rebasing: $0[..<first]), count: 2)
                layers.divide(1..<3, of: UnsafeMutableRawBufferPointer(rebasing: $0[first...]), count: 2)
            }
            #expect(bytes == wide.flatMap { $0.map { UInt8($0) } }, "\(tokens) tokens")
        }
    }
}
