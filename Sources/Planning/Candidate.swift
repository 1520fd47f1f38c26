import Cluster
import Quantities

/// What one pool is in a shape.
public struct PoolShape: Sendable, Equatable {
    public var name: String
    public var count: Int
    public var tensorParallel: Int
    public var pipelineParallel: Int

    /// Devices of all its workers.
    public var devices: Int { count * tensorParallel * pipelineParallel }
}

/// A shape that was worked out, and what it gives.
public struct Candidate: Sendable, Equatable {
    public var pools: [PoolShape]
    /// Parts that a batch is cut into; 1 where it is not.
    public var microBatches = 1
    /// Replicas of experts beyond one of each.
    public var redundantExperts = 0
    /// Tokens of prompts in an iteration of a worker that also decodes; 0 where it computes none, or all at once.
    public var chunk = 0
    /// Requests that decode at the same time, in all workers together; 0 for a prefill worker.
    public var batch = 0
    /// Requests that one worker decodes at the same time at most.
    public var workerBatch = 0
    /// Expected time between tokens.
    public var tbt: Nanoseconds?
    /// Share of the requests whose first token comes in time.
    public var ttftAttainment: Double?
    /// What all workers together can do within the bounds.
    public var requestsPerSecond: Double
    public var tokensPerSecond: Double
    /// What the devices cost in the unit of the catalogue; `nil` where a price is missing.
    public var price: Double?

    /// Devices of all pools.
    public var devices: Int { pools.reduce(0) { $0 + $1.devices } }
    /// Tokens a second by devices.
    public var tokensPerDevice: Double { tokensPerSecond / Double(max(1, devices)) }
    /// Requests a second by devices.
    public var requestsPerDevice: Double { requestsPerSecond / Double(max(1, devices)) }

    /// What a plan makes the most of: tokens a second by price, or by devices where a price is missing.
    public var value: Double { tokensPerSecond / (price ?? Double(max(1, devices))) }
}

/// What a shape is expected to do at the rate that is asked of it.
public struct Expectation: Sendable, Equatable {
    public var requestsPerSecond: Double
    /// Requests that decode at the same time, in all workers together, in the mean.
    public var batch: Double
    /// Mean time between tokens, and to the first one.
    public var tbt: Nanoseconds
    public var meanTTFT: Nanoseconds
    /// What nine of ten first tokens do not exceed; `nil` where that is too far off to be told.
    public var ninthTTFT: Nanoseconds?
    /// Share of the requests whose first token comes in time; `nil` without a bound.
    public var ttftAttainment: Double?
}

/// One question that was answered: shapes that no other one beats in everything, and the one to take.
public struct PlanningPart: Sendable, Equatable {
    /// Which phase was planned, and by which procedure.
    public var phase: String
    public var procedure: String
    /// Shapes that were worked out.
    public var examined: Int
    /// In the order of what is to be small.
    public var frontier: [Candidate]
    /// Place in the frontier of the one to take; `nil` when none meets the bounds.
    public var chosen: Int?

    /// The one to take.
    public var choice: Candidate? { chosen.map { frontier[$0] } }
}

extension [Candidate] {
    /// Those that no other one beats: has no more of `cost`, no less of `gain`, and is better in one. In the order of `cost`; of equals the first.
    func frontier(cost: (Candidate) -> Double, gain: (Candidate) -> Double) -> [Candidate] {
        let costs = map(cost)
        let gains = map(gain)
        let order = indices.sorted { left, right in
            if costs[left] != costs[right] { return costs[left] < costs[right] }
            return gains[left] != gains[right] ? gains[left] > gains[right] : left < right
        }
        var kept: [Candidate] = []
        var best = -Double.infinity
        for place in order where gains[place] > best {
            best = gains[place]
            kept.append(self[place])
        }
        return kept
    }

    /// The place of the first with the most of `gain`.
    func best(_ gain: (Candidate) -> Double) -> Int? {
        var best: Int?
        var most = -Double.infinity
        for (place, candidate) in enumerated() where gain(candidate) > most {
            most = gain(candidate)
            best = place
        }
        return best
    }
}
