import Testing

@testable import Models

@Suite struct MemoryBudgetTests {
    private func model(_ name: String) throws -> ModelShape { try #require(ModelCatalog.named(name)) }
    private func device(_ name: String) throws -> DeviceShape { try #require(DeviceCatalog.named(name)) }

    @Test("weights, reserve and cache add up to the memory in use")
    func sum() throws {
        let device = try device("h100-sxm")
        let budget = try MemoryBudget(model: model("llama-3.1-70b"), device: device, tensorParallel: 4, utilization: 0.9)
        let used = budget.weightsPerDevice + budget.reservePerDevice + budget.cachePerDevice
        #expect(budget.fits)
        #expect(abs(used - Int64(Double(device.memory) * 0.9)) <= 2)
        #expect(budget.reservePerDevice == 3_900_000_000)
        #expect(budget.limitPerDevice == Int64(Double(device.memory) * 0.9))
        #expect(budget.cacheBytesPerToken == 327_680)
        #expect(budget.cacheBlocks(of: 1) == budget.cachePerWorker / 327_680)
        #expect(budget.cacheBlocks(of: 16) == budget.cacheBlocks(of: 1) / 16)
    }

    @Test("weights are divided over devices and stages without loss")
    func division() throws {
        let model = try model("llama-3.1-70b")
        let device = try device("h100-sxm")
        for (ranks, stages) in [(1, 1), (2, 1), (8, 1), (4, 2)] {
            let budget = MemoryBudget(model: model, device: device, tensorParallel: ranks, pipelineParallel: stages)
            let table = 2 * model.vocabulary * model.hidden
            let expected = (Double(model.weightBytes) - (stages > 1 ? Double(table) : 0)) / Double(ranks * stages)
            // With stages, the first and the last hold one table each, so the fullest device has more than its share.
            #expect(Double(budget.weightsPerDevice) >= expected.rounded(.down))
            #expect(Double(budget.weightsPerDevice) <= expected * (stages > 1 ? 1.03 : 1) + 1)
            #expect(budget.cacheBytesPerToken == 327_680)
        }
    }

    @Test("a model that does not fit says by how much")
    func shortfall() throws {
        let budget = try MemoryBudget(model: model("llama-2-70b"), device: device("a100-80g"))
        #expect(!budget.fits)
        #expect(budget.cacheBlocks(of: 1) == 0 && budget.cachePerDevice == 0)
        let usable = try Int64(Double(device("a100-80g").memory) * 0.9)
        #expect(budget.shortfallPerDevice == budget.weightsPerDevice + MemoryBudget.runtimeReserve - usable)
        let one = try MemoryBudget(model: model("llama-2-70b"), device: device("a100-80g"), tensorParallel: 2)
        #expect(one.fits)
    }

    @Test("cache memory that is asked for is given exactly, or is missing")
    func override() throws {
        let model = try model("llama-3.1-8b")
        let asked = try MemoryBudget(model: model, device: device("h100-sxm"), cacheMemory: 131_072 * 1000)
        #expect(asked.fits && asked.cacheBlocks(of: 1) == 1000 && asked.cacheBlocks(of: 16) == 62)
        let tooMuch = try MemoryBudget(model: model, device: device("h100-sxm"), cacheMemory: 80 << 30)
        #expect(!tooMuch.fits && tooMuch.shortfallPerDevice > 0)
    }

    @Test("repeated heads and compressed vectors cost memory on every device")
    func repeated() throws {
        let latent = try MemoryBudget(model: model("deepseek-v3"), device: device("h200-sxm"), tensorParallel: 8)
        #expect(latent.cacheBytesPerToken == 8 * 70_272)
        let grouped = try MemoryBudget(model: model("qwen3-235b-a22b"), device: device("h200-sxm"), tensorParallel: 8)
        #expect(grouped.cacheBytesPerToken == 2 * 192_512)
    }

    @Test("uneven stages leave room on the smaller ones unused")
    func unevenStages() throws {
        // 61 layers on 2 stages: 31 on the larger, so a token claims 62 layers' worth.
        let budget = try MemoryBudget(model: model("deepseek-v3"), device: device("h200-sxm"), tensorParallel: 1, pipelineParallel: 2)
        #expect(budget.cacheBytesPerToken == 62 * 1152)
    }
}
