import Policies
import Quantities
import Testing

@Suite("Devices and parts of a model")
struct DeviceMappingTests {
    @Test("the parts of a pipeline cover every layer once, and what one shape holds of a part of another adds up to the part")
    func overlaps() {
        let shapes = [(1, 1), (2, 2), (3, 4), (4, 2), (1, 8)].map { ModelPart.pipeline(layers: 48, stages: $0.0, shares: $0.1) }
        for parts in shapes {
            let layers = parts.reduce(0) { $0 + $1.layers.count }
            #expect(layers == 48 * parts[0].shares)
            for other in shapes {
                for part in parts {
                    // A number that all of these shapes divide.
                    let bytes: Int64 = 48 * 8 * 4 * 3 * 1_000
                    #expect(other.reduce(0) { $0 + part.overlap(with: $1, bytes: bytes) } == bytes)
                }
            }
        }
    }

    /// Bytes that are there already.
    private func kept(_ places: [Int], _ held: [ModelPart?], _ wanted: [ModelPart]) -> Int64 {
        zip(places, held).reduce(0) { sum, pair in sum + (pair.1.map { wanted[pair.0].overlap(with: $0, bytes: 1_000_000) } ?? 0) }
    }

    private func best(_ held: [ModelPart?], _ wanted: [ModelPart], _ device: Int = 0, _ used: Set<Int> = []) -> Int64 {
        guard device < held.count else { return 0 }
        return wanted.indices.filter { !used.contains($0) }.map { place in
            (held[device].map { wanted[place].overlap(with: $0, bytes: 1_000_000) } ?? 0) + best(held, wanted, device + 1, used.union([place]))
        }.max() ?? 0
    }

    @Test("matched devices keep as many bytes as any mapping could, by exhaustion, and no fewer than in order or at random", arguments: 0..<60)
    func matching(_ number: UInt64) {
        var random = stream(number)
        // From one shape to another of as many devices, with some of them new.
        let shapes = [(6, 1), (3, 2), (2, 3), (1, 6)]
        let (old, new) = (shapes[random.below(4)], shapes[random.below(4)])
        var held: [ModelPart?] = ModelPart.pipeline(layers: 30, stages: old.0, shares: old.1)
        for device in held.indices where random.below(3) == 0 { held[device] = nil }
        for place in held.indices.dropLast() { held.swapAt(place, place + random.below(held.count - place)) }
        let wanted = ModelPart.pipeline(layers: 30, stages: new.0, shares: new.1)
        let places = DeviceMapping.allCases.map { $0.places(held, wanted, bytes: 1_000_000, random: &random) }
        for mapping in places { #expect(mapping.sorted() == Array(wanted.indices)) }
        let amounts = places.map { kept($0, held, wanted) }
        #expect(amounts[0] == best(held, wanted))
        #expect(amounts[0] >= max(amounts[1], amounts[2]))
    }
}
