import Cluster
import Models
import Quantities

/// How a cluster is split into prefill and decode workers (DistServe, OSDI 24, section 4.1, for fast links between nodes): for each phase the
/// parallelism with the highest goodput a device, then as many workers of each as the rate asks for.
///
/// Goodput is estimated in closed form where DistServe simulates.
/// - Prefill: prompts come at random to one worker and are computed one at a time, in the order of arrival. Their waiting time is that of M/D/1 with
///   the load of the prompts, and a service of `E[D^2] / E[D]`, which gives the mean of Pollaczek and Khinchine whatever the lengths. The goodput is the
///   highest rate at which a share of `attainment` of the first tokens is in time.
/// - Decode: with `n` requests in the batch, tokens come every `T(n)`, and by Little's law `n = rate x outputs x T(n)` on average. Batches vary as
///   arrivals do, with a standard deviation of `sqrt(n)`. The goodput is the highest rate at which a share of `attainment` of the batches are
///   no larger than the largest that meets the bound and fits into the cache.
///
/// Not in it: prompts that share an iteration, preemption, and requests that wait for room in a decode worker's cache.
public struct PrefillDecodePlacement {
    /// Share of the requests that must meet each bound (DistServe: 90%), and the standard deviations above the mean that this is.
    public static let attainment = 0.9
    static let deviations = 1.2816

    private static let tensorChoices = [1, 2, 4, 8]
    private static let stageChoices = [1, 2, 4, 8]

    let plan: ClusterPlan
    let demand: Demand
    /// Devices that the cluster may have.
    let deviceLimit: Int

    public init(plan: ClusterPlan, demand: Demand, deviceLimit: Int) {
        self.plan = plan
        self.demand = demand
        self.deviceLimit = deviceLimit
    }

    /// The parallelisms that a pool may have: those that fit into memory, hosts and the limit. A measured table allows only its own.
    func shapes(of pool: PoolPlan) -> [PoolPlan] {
        guard pool.measuredTable == nil else { return [pool] }
        var shapes: [PoolPlan] = []
        let host = max(1, plan.hosts.devicesPerHost)
        for tensor in Self.tensorChoices where pool.model.queryHeads.isMultiple(of: tensor) {
            for stages in Self.stageChoices where stages <= pool.model.layers {
                let devices = tensor * stages
                guard devices < max(2, deviceLimit), devices <= host || devices.isMultiple(of: host) else { continue }
                var shape = pool
                shape.count = 1
                shape.tensorParallel = tensor
                shape.pipelineParallel = stages
                guard shape.memory.cacheBlocks(of: shape.engine.blockSize) >= Self.blocks(demand.finalContext, shape) else { continue }
                shapes.append(shape)
            }
        }
        return shapes
    }

    /// Cache blocks of a request of that many tokens.
    static func blocks(_ tokens: Double, _ pool: PoolPlan) -> Int64 {
        let size = Double(max(1, pool.engine.blockSize))
        return Int64(max(1, (tokens / size).rounded(.up)))
    }

    // MARK: - Prefill

    /// What one prefill worker can do.
    public func prefill(_ pool: PoolPlan, ttft: Nanoseconds) -> Candidate {
        let times = prefillTimes(pool)
        let mean = times.reduce(0, +) / Double(times.count)
        let goodput = Bisection.largestRate(below: 1 / mean) { attainment(of: times, rate: $0, ttft: seconds(ttft)) >= Self.attainment }
        var candidate = Candidate(pools: [PoolShape(pool)], requestsPerSecond: goodput, tokensPerSecond: goodput * demand.meanPrompt)
        candidate.ttftAttainment = attainment(of: times, rate: goodput, ttft: seconds(ttft))
        candidate.price = pool.price
        return candidate
    }

    /// Seconds that the prompts take, each alone in its iterations.
    func prefillTimes(_ pool: PoolPlan) -> [Double] {
        let cost = CostModel(
            model: pool.model, device: pool.device, tensorParallel: pool.tensorParallel, pipelineParallel: pool.pipelineParallel,
            table: pool.measuredTable)
        let budget = Int64(max(1, pool.engine.tokenBudget))
        return demand.prompts.map { prompt in
            var (computed, left, time) = (Int64(0), Int64(prompt), Nanoseconds(0))
            let chunk = pool.engine.chunkedPrefill ? budget : max(budget, left)
            while left > 0 {
                var batch = BatchShape()
                let tokens = min(left, chunk)
                batch.addPrefill(tokens: tokens, context: computed)
                time += cost.iterationTime(batch)
                computed += tokens
                left -= tokens
            }
            return max(seconds(time), 1e-9)
        }
    }

    /// Share of the first tokens that come within `ttft` seconds when prompts of these times come at `rate` to one worker.
    func attainment(of times: [Double], rate: Double, ttft: Double) -> Double {
        var (sum, squares) = (0.0, 0.0)
        for time in times {
            sum += time
            squares += time * time
        }
        let load = rate * sum / Double(times.count)
        guard load < 1 else { return 0 }
        let service = squares / sum
        var waiting = WaitingTime(service: service, rate: load / service)
        // The submission and the first token cross the front-end network.
        let budget = ttft - 2 * seconds(plan.links.control.latency)
        var share = 0.0
        for time in times { share += waiting.probability(within: budget - time) }
        return share / Double(times.count)
    }

    // MARK: - Decode

    /// What one decode worker can do; `nil` when it cannot decode one request in time.
    public func decode(_ pool: PoolPlan, tbt: Nanoseconds) -> Candidate? {
        guard let most = largestBatch(pool, tbt: tbt) else { return nil }
        let cost = decodeCost(pool)
        // The largest mean of a batch that stays within the largest batch.
        let most64 = Double(most)
        let mean = max(BatchVariation.mean(within: most64, deviations: Self.deviations), min(1, most64))
        let time = seconds(cost.iterationTime(decodeBatch(max(1, Int(mean.rounded(.up))))))
        let goodput = mean / (time * max(1, demand.meanOutput))
        var candidate = Candidate(pools: [PoolShape(pool)], requestsPerSecond: goodput, tokensPerSecond: goodput * demand.meanOutput)
        candidate.batch = most
        candidate.workerBatch = most
        candidate.tbt = cost.iterationTime(decodeBatch(most)) + transferShare(pool)
        candidate.price = pool.price
        return candidate
    }

    /// Most requests that a worker decodes at the same time so that tokens come in time and their caches fit; `nil` when one is too many.
    public func largestBatch(_ pool: PoolPlan, tbt: Nanoseconds) -> Int? {
        let cost = decodeCost(pool)
        let held = pool.memory.cacheBlocks(of: pool.engine.blockSize) / Self.blocks(demand.finalContext, pool)
        guard held > 0 else { return nil }
        let bound = tbt - transferShare(pool)
        return Bisection.largest(in: 1...Int(min(held, 65_536))) { cost.iterationTime(decodeBatch($0)) <= bound }
    }

    /// The iteration that decodes `requests` requests in the midst of their outputs.
    func decodeBatch(_ requests: Int) -> BatchShape {
        BatchShape(
            prefillTokens: 0, prefillPairs: 0, prefillRequests: 0, decodeRequests: Int64(requests),
            decodeContext: Int64((Double(requests) * demand.decodeContext).rounded(.up)))
    }

    private func decodeCost(_ pool: PoolPlan) -> CostModel {
        CostModel(
            model: pool.model, device: pool.device, tensorParallel: pool.tensorParallel, pipelineParallel: pool.pipelineParallel,
            table: pool.measuredTable)
    }

    /// What the way of a request's cache adds to its mean time between tokens: it comes between the first token and the second.
    private func transferShare(_ pool: PoolPlan) -> Nanoseconds {
        let bytes = pool.model.cacheBytes(context: Int64(demand.meanPrompt.rounded(.up)))
        let link = plan.links.interNode
        let rate = (link.bandwidth ?? pool.device.nicBandwidth) * BytesPerSecond(pool.devices)
        let time = transmissionTime(bytes, at: rate) + link.latency + 4 * plan.links.control.latency
        return Nanoseconds(Double(time) / max(1, demand.meanOutput - 1))
    }

    // MARK: - Counts

    /// Workers of each kind: as many as carry the rate, or what makes the most of the devices where nothing says the rate.
    /// - Returns: `nil` when the devices do not suffice, or the rate would need more workers than can be counted.
    public func counts(prefill: Candidate, decode: Candidate) -> (prefill: Int, decode: Int)? {
        guard prefill.requestsPerSecond > 0, decode.requestsPerSecond > 0 else { return nil }
        if let rate = demand.rate {
            let wanted = [prefill, decode].map { (rate / $0.requestsPerSecond).rounded(.up) }
            guard wanted.allSatisfy({ $0 <= Double(deviceLimit) }) else { return nil }
            let (first, second) = (max(1, Int(wanted[0])), max(1, Int(wanted[1])))
            return first * prefill.devices + second * decode.devices <= deviceLimit ? (first, second) : nil
        }
        var best: (prefill: Int, decode: Int)?
        var most = 0.0
        for first in stride(from: 1, through: (deviceLimit - decode.devices) / prefill.devices, by: 1) {
            let room = (deviceLimit - first * prefill.devices) / decode.devices
            let carried = Double(first) * prefill.requestsPerSecond
            let second = min(room, max(1, Int(min((carried / decode.requestsPerSecond).rounded(.up), Double(room)))))
            guard second > 0 else { continue }
            let rate = min(carried, Double(second) * decode.requestsPerSecond)
            if rate > most {
                most = rate
                best = (first, second)
            }
        }
        return best
    }
}

extension PoolShape {
    /// The shape that a pool has.
    public init(_ pool: PoolPlan) {
        self.init(name: pool.name, count: pool.count, tensorParallel: pool.tensorParallel, pipelineParallel: pool.pipelineParallel)
    }
}

extension PoolPlan {
    /// What the devices of all workers cost; `nil` without a price.
    var price: Double? { device.price > 0 ? device.price * Double(devices * count) : nil }
}
