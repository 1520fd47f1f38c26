import Bounds
import Cluster
import Models
import Quantities
import TestKit
import Testing
import Workload

/// What a run measured of the requests that it served.
struct Served {
    var requests: [BoundRequest] = []
    /// Seconds from arrival to the first and to the last token, by request.
    var ttft: [Double] = []
    var e2e: [Double] = []
    /// When the last one ended, in seconds.
    var end = 0.0

    init(_ run: FinishedRun) {
        for row in run.records.requestRows where row.status == "done" {
            requests.append(BoundRequest(arrival: row.arrival, prompt: Int(row.promptTokens), output: Int(row.outputTokens)))
            ttft.append(seconds(row.firstToken - row.arrival))
            e2e.append(seconds(row.finish - row.arrival))
            end = max(end, seconds(row.finish))
        }
    }

    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
}

/// Nanoseconds and rounded rows leave so much.
private let tolerance = 1e-6

@Suite struct ClusterBoundsTests {
    private func check(_ plan: ClusterPlan) {
        let served = Served(runInProcess(plan))
        let bounds = ClusterBounds(plan, served.requests)
        #expect(bounds.rejected == 0)
        guard !served.requests.isEmpty else { return }
        #expect(bounds.meanTimeToFirstToken <= served.mean(served.ttft) + tolerance)
        #expect(bounds.meanLatency <= served.mean(served.e2e) + tolerance)
        #expect(bounds.duration <= served.end + tolerance)
        for (place, request) in served.requests.enumerated() {
            #expect(bounds.timeToFirstToken(request) <= served.ttft[place] + tolerance)
            #expect(bounds.latency(request) <= served.e2e[place] + tolerance)
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>) func noRunBeatsABound(number: UInt64) { check(generatedPlan(number)) }

    @Test(arguments: 0..<8 as Range<UInt64>) func noRunOfAGangBeatsABound(number: UInt64) { check(generatedGangPlan(number)) }

    /// All at once: no slack of arrivals hides a bound that is too high.
    @Test(arguments: 0..<10 as Range<UInt64>) func noRunOfABacklogBeatsABound(number: UInt64) {
        var plan = generatedPlan(number + 500)
        plan.workload.arrivals = .constant(rate: 1e6)
        plan.workload.requestLimit = 100
        check(plan)
    }

    /// With sliding windows, experts on every worker, and a single short request.
    @Test(arguments: 0..<8 as Range<UInt64>) func noRunOfAMixtureOnWholeWorkersBeatsABound(number: UInt64) {
        var plan = generatedPlan(number + 900)
        for place in plan.pools.indices {
            plan.pools[place].model = testMixture
            if number % 2 == 0 {
                plan.pools[place].model.slidingWindow = 64
                plan.pools[place].model.slidingLayers = 2
            }
            plan.pools[place].tensorParallel = 1
        }
        plan.workload.arrivals = number % 3 == 0 ? .constant(rate: 1e6) : .poisson(rate: 100)
        plan.workload.requestLimit = number % 5 == 0 ? 1 : 60
        check(plan)
    }

    /// A backlog on one worker: the bound must come close, or it is of no use.
    @Test func boundIsTightUnderLoad() {
        var plan = generatedPlan(3)
        plan.pools = [PoolPlan(name: "mixed", role: .colocated, count: 2, model: plan.pools[0].model, device: plan.pools[0].device)]
        plan.workload = WorkloadPlan(arrivals: .constant(rate: 1e5), promptTokens: .fixed(500), outputTokens: .fixed(100), requestLimit: 600)
        plan.controller = ControllerPlan()
        plan.decisionCost = .free
        let served = Served(runInProcess(plan))
        let bounds = ClusterBounds(plan, served.requests)
        #expect(served.mean(served.e2e) < 2 * bounds.meanLatency)
        #expect(served.end < 1.3 * bounds.duration)
    }

    /// A request by itself: nothing but the network's small messages is left out.
    @Test func aloneIsExactUpToSmallMessages() {
        var plan = generatedPlan(3)
        plan.pools = [PoolPlan(name: "mixed", role: .colocated, count: 1, model: plan.pools[0].model, device: plan.pools[0].device)]
        plan.workload = WorkloadPlan(arrivals: .constant(rate: 1), promptTokens: .fixed(500), outputTokens: .fixed(100), requestLimit: 1)
        let served = Served(runInProcess(plan))
        let bounds = ClusterBounds(plan, served.requests)
        #expect(served.e2e[0] < 1.01 * bounds.latency(served.requests[0]))
        #expect(served.ttft[0] < 1.01 * bounds.timeToFirstToken(served.requests[0]))
    }
}

@Suite struct BarrierBoundTests {
    @Test func balancedIsTheMeanAndNeverAboveTheMeasured() {
        let bound = BarrierBound(loads: [[10, 30], [20, 20], []], fixed: 5, perToken: 0.5)
        #expect(bound.measured == 5 + 15 + 5 + 10)
        #expect(bound.balanced == 5 + 10 + 5 + 10)
        #expect(BarrierBound(loads: [], fixed: 1, perToken: 1).ratio == 1)
    }
}
