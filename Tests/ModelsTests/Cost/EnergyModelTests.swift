import Testing

@testable import Models

@Suite struct EnergyModelTests {
    @Test("an hour of each phase costs the power of that phase times the devices")
    func hours() throws {
        let energy = EnergyModel(device: try #require(DeviceCatalog.named("h100")), devices: 8)
        let hour: Int64 = 3_600_000_000_000
        #expect(energy.joules(prefill: 0, decode: 0, total: hour) == 8 * 75 * 3600)
        #expect(energy.joules(prefill: hour, decode: 0, total: hour) == 8 * 700 * 3600)
        #expect(energy.joules(prefill: 0, decode: hour, total: hour) == 8 * 380 * 3600)
        #expect(energy.joules(prefill: hour, decode: hour, total: 3 * hour) == 8 * (75 + 700 + 380) * 3600)
    }
}
