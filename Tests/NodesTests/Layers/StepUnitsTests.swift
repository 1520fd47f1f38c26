import Cluster
import Models
import Quantities
import TestKit
import Testing

@testable import Nodes

/// Sums of a step against the matrix of all pairs of ranks.
@Suite("Tokens of a step, added up by host")
struct StepUnitsTests {
    private static func shapes() -> [GangShape] {
        var fabric = MixturePlan()
        fabric.fabric = .deepEPH800
        var broadcast = MixturePlan()
        broadcast.transfer = .broadcast
        let plans = [
            gangPlan(attention: 8, devicesPerHost: 4), gangPlan(attention: 8, mixture: fabric, devicesPerHost: 2),
            gangPlan(attention: 3, experts: 8, devicesPerHost: 4), gangPlan(attention: 6, experts: 4, mixture: broadcast, devicesPerHost: 3),
        ]
        return plans.compactMap { GangShape($0) }
    }

    @Test("is what the matrix of all pairs of ranks adds up to, whatever the width of numbers", arguments: [Int32(3), 255, 65_535, 1 << 24])
    func matrix(largest: Int32) throws {
        let shapes = Self.shapes()
        #expect(shapes.count == 4)
        var random = RandomStream(seed: 5, stream: 1)
        for shape in shapes {
            let memory = LayerMemory()
            let units = StepUnits(shape, in: memory)
            var adder = StepAdder(shape, in: memory)
            for _ in 0..<3 {
                let rows = (0..<shape.attentionRanks).map { _ in (0..<shape.fleet.slots).map { _ in Int32(random.below(Int(largest) + 1)) } }
                let tokens = rows.map { _ in Int64(random.below(1000)) }
                adder.begin(units)
                for (rank, row) in rows.enumerated() {
                    let packed = PackedCounts(row)
                    packed.bytes.withUnsafeBytes { bytes in
                        guard let base = bytes.baseAddress else { return }
                        adder.add(base, width: packed.width, of: rank, tokens: tokens[rank], to: units)
                    }
                }
                let (sum, most) = adder.finish(units)
                check(shape, rows, tokens, units, sum: sum, most: most)
            }
            withExtendedLifetime(memory) {}
        }
    }

    private func check(_ shape: GangShape, _ rows: [[Int32]], _ tokens: [Int64], _ units: StepUnits, sum: Int64, most: Int64) {
        func pairs(_ rank: Int, _ expert: Int) -> Int64 { shape.slots(ofExpert: expert).reduce(0) { $0 + Int64(rows[rank][$1]) } }
        func crosses(_ rank: Int, _ expert: Int) -> Int64 {
            guard shape.member(ofExpert: expert) != rank || shape.isMeasured else { return 0 }
            return shape.sendsEverything ? tokens[rank] : pairs(rank, expert)
        }
        func isNear(_ rank: Int, _ expert: Int) -> Bool { shape.hosts[rank] == shape.hosts[shape.member(ofExpert: expert)] }
        let (ranks, experts) = (0..<shape.attentionRanks, 0..<shape.expertRanks)
        for rank in ranks {
            #expect(units.byAttention[rank].all == experts.reduce(0) { $0 + crosses(rank, $1) })
            #expect(units.byAttention[rank].near == experts.reduce(0) { $0 + (isNear(rank, $1) ? crosses(rank, $1) : 0) })
            guard !shape.gang.isDisaggregated else { continue }
            #expect(units.kept[rank] == (shape.sendsEverything ? tokens[rank] : pairs(rank, rank)))
        }
        let loads = experts.map { expert in ranks.reduce(Int64(0)) { $0 + pairs($1, expert) } }
        #expect(sum == loads.reduce(0, +) && most == loads.max())
        for expert in experts {
            #expect(units.byExpert[expert].all == ranks.reduce(0) { $0 + crosses($1, expert) })
            #expect(units.byExpert[expert].near == ranks.reduce(0) { $0 + (isNear($1, expert) ? crosses($1, expert) : 0) })
            #expect(units.loads[expert].pairs == loads[expert])
            let distinct = shape.slots(ofExpert: expert).count { slot in rows.contains { $0[slot] > 0 } }
            #expect(Int(units.loads[expert].distinct) == distinct)
        }
    }

    @Test("is the same for many ranks of a host, more than 16 bits of their sums hold")
    func manyRanks() throws {
        let shape = try #require(GangShape(gangPlan(attention: 300, experts: 8, devicesPerHost: 400)))
        let memory = LayerMemory()
        let units = StepUnits(shape, in: memory)
        var adder = StepAdder(shape, in: memory)
        let row = [UInt8](repeating: 255, count: shape.fleet.slots)
        adder.begin(units)
        for rank in 0..<300 {
            row.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                adder.add(base, width: 1, of: rank, tokens: 255, to: units)
            }
        }
        #expect(adder.finish(units).sum == Int64(300 * 255 * shape.fleet.slots))
        withExtendedLifetime(memory) {}
    }

    @Test("counts are packed in as few bytes as the largest needs, and read as they were")
    func packed() {
        for (largest, width) in [(Int32(0), 1), (255, 1), (256, 2), (65_535, 2), (65_536, 4), (.max, 4), (-1, 4), (.min, 4)] {
            let counts = [1, largest, 0, 7] as [Int32]
            let packed = PackedCounts(counts)
            #expect(packed.width == width && packed.count == 4 && packed.unpacked == counts)
        }
        #expect(PackedCounts([]).count == 0)
        #expect(PackedCounts(bytes: [1, 2, 3], width: 2).count == 1)
    }
}
