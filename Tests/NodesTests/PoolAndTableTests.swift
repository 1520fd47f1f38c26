import Quantities
import Testing

@testable import Nodes

@Suite("The block pool")
struct BlockPoolTests {
    @Test("counts as a number does under random operations", arguments: UInt64(0)..<4)
    func model(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 1)
        var pool = BlockPool(blockSize: 16, total: 100)
        var held: Int64 = 0
        var peak: Int64 = 0
        for _ in 0..<2000 {
            let count = Int64(random.below(40))
            if random.below(2) == 0 {
                let fits = held + count <= 100
                let taken = pool.take(count)
                #expect(taken == fits)
                if fits { held += count }
            } else if count <= held {
                pool.give(count)
                held -= count
            }
            peak = max(peak, held)
            #expect(pool.used == held && pool.free == 100 - held && pool.peak == peak)
        }
    }

    @Test("rounds tokens up to whole blocks")
    func rounding() {
        let pool = BlockPool(blockSize: 16, total: 10)
        for (tokens, blocks) in [(0, 0), (1, 1), (15, 1), (16, 1), (17, 2), (160, 10), (161, 11)] as [(Int64, Int64)] {
            #expect(pool.blocks(for: tokens) == blocks)
        }
    }
}

@Suite("The table of requests")
struct RequestTableTests {
    private func entry(_ id: Int64) -> EngineRequest {
        EngineRequest(Assignment(id: id, stream: 0, promptTokens: 10, outputTokens: 5, priority: 0, arrival: 0), phase: .waiting)
    }

    @Test("equals a dictionary by slot under random operations")
    func model() {
        var random = RandomStream(seed: 1, stream: 1)
        var table = RequestTable()
        var model: [Int32: Int64] = [:]
        for id in 0..<Int64(2000) {
            if random.below(5) < 3 || model.isEmpty {
                let slot = table.insert(entry(id))
                #expect(model[slot] == nil)
                model[slot] = id
            } else if let slot = model.keys.min() {
                table.remove(slot)
                model[slot] = nil
            }
            #expect(table.count == model.count)
        }
        for slot in Int32(-2)...Int32(table.entries.count + 2) {
            for id in [model[slot] ?? -5, 7] {
                #expect(table.find(slot, id: id, stream: 0, in: .waiting) == (model[slot] == id ? slot : nil))
            }
        }
        #expect(table.entries.count < 2000, "slots are used again")
    }

    @Test("finds a request by slot, number and phase alone")
    func find() {
        var table = RequestTable()
        let slot = table.insert(entry(7))
        #expect(table.find(slot, id: 7, stream: 0, in: .running, .waiting) == slot)
        #expect(table.find(slot, id: 8, stream: 0, in: .waiting) == nil)
        #expect(table.find(slot, id: 7, stream: 0, in: .parked, .running) == nil)
        for wild in [Int32.min, -1, 1, .max] { #expect(table.find(wild, id: 7, stream: 0, in: .waiting) == nil) }
        table.remove(slot)
        #expect(table.find(slot, id: 7, stream: 0, in: .waiting) == nil)
        let again = table.insert(entry(9))
        #expect(again == slot)
        #expect(table.find(slot, id: 7, stream: 0, in: .waiting) == nil)
        #expect(table[again].phase == .waiting)
    }
}
