import Quantities
import Testing

@testable import Bounds

private func draw(_ seed: UInt64, count: Int, memory: ClosedRange<Int>, arrivals: Int) -> UnitInstance {
    var random = RandomStream(seed: seed, stream: 11)
    let memory = memory.lowerBound + random.below(memory.count)
    let requests = (0..<count).map { _ in
        let prompt = random.below(4)
        return UnitRequest(arrival: random.below(arrivals + 1), prompt: prompt, output: 1 + random.below(memory - prompt))
    }
    return UnitInstance(requests, memory: memory)
}

/// Each request after the other, in the order of arrival: as bad a start as there is.
private func oneByOne(_ instance: UnitInstance) -> UnitSchedule {
    var starts = Array(repeating: 0, count: instance.requests.count)
    var end = 0
    for place in instance.requests.indices.sorted(by: { (instance.requests[$0].arrival, $0) < (instance.requests[$1].arrival, $1) }) {
        starts[place] = max(end, instance.requests[place].arrival)
        end = starts[place] + instance.requests[place].output
    }
    return UnitSchedule(starts: starts)
}

@Suite struct SublimationTests {
    /// The integer programme, solved by CBC, knows nothing of graphs and states.
    @Test(arguments: 0..<30 as Range<UInt64>) func dynamicProgrammesAndIntegerProgrammeHaveTheSameOptimum(seed: UInt64) throws {
        let instance = draw(seed, count: 4 + Int(seed % 3), memory: 6...13, arrivals: seed % 3 == 0 ? 8 : 0)
        let programme = try HindsightOptimum.solve(instance, limits: .init(states: 0, nodes: 20_000, orders: 200))
        try #require(programme.isOptimal)
        var search = try #require(SublimationSearch(instance, from: oneByOne(instance), limits: .init(nodes: 1_000_000)))
        search.run()
        #expect(search.isProved)
        #expect(search.total == programme.total)
        #expect(search.schedule.isFeasible(instance))
        #expect(search.schedule.totalLatency(instance) == search.total)
    }

    /// Wherever it is stopped, what it says is true.
    @Test(arguments: 0..<20 as Range<UInt64>, [10, 300, 3_000]) func boundHoldsAtAnyLimit(seed: UInt64, nodes: Int) throws {
        let instance = draw(seed + 50, count: 6, memory: 8...13, arrivals: 4)
        let start = oneByOne(instance)
        var whole = try #require(SublimationSearch(instance, from: start, limits: .init(nodes: 1_000_000)))
        whole.run()
        try #require(whole.isProved)
        var search = try #require(SublimationSearch(instance, from: start, limits: .init(nodes: nodes, steps: 20, beam: 3)))
        search.run()
        #expect(search.total >= whole.total)
        #expect(search.isProved ? search.total == whole.total : search.bound <= Double(whole.total) + 1e-6)
    }

    /// Copies of one request: the optimum is that of equal requests, whoever is who.
    @Test func equalRequestsAreProved() throws {
        let instance = UnitInstance(Array(repeating: UnitRequest(arrival: 0, prompt: 1, output: 3), count: 6), memory: 9)
        // Two at once hold 8 in their last round; a third one fits beside them only when it starts later.
        let found = try HindsightOptimum.solve(instance, limits: .init(nodes: 0, orders: 0))
        let programme = try HindsightOptimum.solve(instance, limits: .init(states: 0, nodes: 10_000, orders: 500))
        #expect(found.isOptimal && programme.isOptimal)
        #expect(found.total == programme.total)
    }

    @Test func instancesBeyondItsReachAreLeftToOthers() {
        let many = UnitInstance(Array(repeating: UnitRequest(arrival: 0, prompt: 1, output: 1), count: 129), memory: 9)
        #expect(SublimationSearch(many, from: oneByOne(many), limits: .init(nodes: 100)) == nil)
        let large = UnitInstance([UnitRequest(arrival: 0, prompt: 1, output: 1)], memory: 2_048)
        #expect(SublimationSearch(large, from: oneByOne(large), limits: .init(nodes: 100)) == nil)
    }
}

@Suite struct RunningSetTests {
    /// Against a plain list of requests, checked at every round to come.
    @Test(arguments: 0..<50 as Range<UInt64>) func holdsWhatAListOfRequestsHolds(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 12)
        let memory = 20 + random.below(30)
        var set = RunningSet()
        var list: [(held: Int, left: Int)] = []
        for _ in 0..<60 {
            if random.below(3) > 0, !set.isFull {
                let request = UnitRequest(arrival: 0, prompt: random.below(5), output: 1 + random.below(memory - 5))
                let longer = list + [(request.prompt, request.output)]
                let fits = (1...memory).allSatisfy { round in
                    longer.reduce(0) { $1.left >= round ? $0 + $1.held + round : $0 } <= memory
                }
                let next = set.adding(request, memory: memory)
                #expect((next != nil) == fits)
                if let next { (set, list) = (next, longer) }
            } else {
                #expect(set.nextUsage == list.reduce(0) { $0 + $1.held + 1 })
                set = set.advanced()
                list = list.compactMap { $0.left > 1 ? ($0.held + 1, $0.left - 1) : nil }
            }
            #expect(set.requests == list.count)
        }
    }
}
