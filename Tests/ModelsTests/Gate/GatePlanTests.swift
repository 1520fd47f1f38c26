import Testing

@testable import Models

@Suite struct GatePlanTests {
    @Test("a plan that works has no problems")
    func fine() {
        #expect(GatePlan().problems(experts: 8, topK: 2, layers: 4).isEmpty)
        let deepSeek = GatePlan(popularity: .logNormal(sigma: 0.5), selection: .groups(count: 8, kept: 4), batchNoise: 0.3)
        #expect(deepSeek.problems(experts: 256, topK: 8, layers: 58).isEmpty)
    }

    @Test("every mistake is found in one pass, with its place")
    func problems() {
        let plan = GatePlan(
            popularity: .zipf(exponent: -1), selection: .groups(count: 3, kept: 1), layerCorrelation: 1.5,
            drift: GatePlan.Drift(period: 0, share: 2), batchNoise: .nan, capacityFactor: 0, biasRate: -1)
        let places = plan.problems(experts: 8, topK: 9, layers: 1).map(\.place)
        #expect(places == [.selection, .layerCorrelation, .batchNoise, .biasRate, .drift, .drift, .capacityFactor, .popularity, .selection])
    }

    @Test("a token cannot pick more experts than the kept groups have")
    func groupsTooSmall() {
        let plan = GatePlan(selection: .groups(count: 8, kept: 1))
        #expect(plan.problems(experts: 16, topK: 3, layers: 1).map(\.text) == ["a token picks 3 experts of 1 groups with 2 each; expected at most 2"])
        #expect(plan.problems(experts: 16, topK: 2, layers: 1).isEmpty)
    }

    @Test("recorded loads of the wrong shape, negative or absent are refused with layer and expert")
    func recorded() {
        let plan = GatePlan(popularity: .recorded([[1, 2, 3], [1, -2], [0, 0], [.nan, 1]]))
        let places = plan.problems(experts: 2, topK: 1, layers: 3).map(\.place)
        #expect(
            places == [
                .popularity, .recorded(layer: 0, expert: nil), .recorded(layer: 1, expert: 1), .recorded(layer: 2, expert: nil),
                .recorded(layer: 3, expert: 0),
            ])
    }
}
