import Quantities

/// Which experts the tokens of a batch pick, as numbers of tokens by expert.
///
/// A pure function of seed, layer, batch, rank and number of tokens (and of the drift's step), whatever was asked before and in whichever
/// process; with exact sampling the first tokens of a larger batch pick what those of a smaller one do, up to `countedTokens`. The only state is the
/// bias of loss-free balancing, which changes by `updateBias` alone. All ranks of a batch must give the same `at`, or those on both sides of a step
/// of the drift see different popularities.
///
/// With pooled sampling (see `GatePlan.Sampling`) rows of numbers are cached: at most 1.5 MB for a rank, 58 layers of 256 experts and up to 255
/// tokens. They pay off where numbers of batches are consecutive, and not where the bias is updated after each.
///
/// No call allocates once the tables of its layer are there.
public struct Gate: Sendable {
    /// Up to this many tokens at once every pick is drawn; beyond, the numbers by expert are (see `Gate+Counted.swift` for what that changes).
    /// Only selection by `topK` has the second way.
    public static let countedTokens = 1024

    public let plan: GatePlan
    public let experts: Int
    public let topK: Int
    public let layers: Int
    /// Numbers that a call gives: one for each expert, or for each place that `arrange` lays them out in, and those of tokens behind them.
    public let places: Int
    /// How many numbers say how many tokens reach each host and each rank (see `setReach`); 0 where nobody asks.
    let reached: Int
    let seed: UInt64

    let tables = GateTables()
    let noiseFactors: [Double]
    let hazard: NoisyHazard
    private var popularity: ExpertPopularity
    /// By layer and expert: weights of the drift's step, and those with noise and bias on them.
    private var base: [Double]
    private(set) var weights: [Double]
    private(set) var slots: [UInt64]
    /// Sums of weights by layer and group; one group where there are none.
    private(set) var groupWeights: [Double]
    /// What each layer's tables stand for.
    private var layerStep: [Int64]
    private var layerNoise: [NoiseKey]
    private var isStale: [Bool]
    /// Upward minus downward moves of the bias by layer and expert; empty without a rate.
    private var biasMoves: [Int32]

    var scratch: GateScratch
    private var inclusion = Inclusion()
    private var inclusionLayer = -1

    /// Groups of experts; 1 where the selection has none, or keeps them all.
    let groups: Int
    /// Binary logarithm of how many batches a pooled row serves.
    let usesBits: Int
    private let isPooled: Bool
    private let isShared: Bool
    var pool: GatePool
    /// The expert in each place by layer, -1 where there is none; empty where experts stand in their own order.
    var arrangement: [Int32]
    /// By layer, which hosts and ranks experts are on; empty where nobody asks.
    var reaches: [ExpertReach]

    /// Which draw of the noise a layer's weights have.
    enum NoiseKey: Equatable {
        case batch(Int64)
        case pooled(epoch: Int64, slot: Int)
    }

    /// - Parameters:
    ///   - plan: without `problems` for these numbers.
    ///   - experts: routed experts in a layer.
    ///   - topK: experts that a token picks.
    ///   - layers: layers with experts.
    ///   - seed: the run's seed.
    ///   - places: how many numbers a call gives, where `arrange` says for each layer which; `nil`: one for each expert.
    ///     Not with a capacity factor, whose drops are counted by expert.
    ///   - reached: hosts and ranks whose numbers of tokens stand behind the others, where `setReach` says what is on them. Not with a capacity factor.
    public init(plan: GatePlan, experts: Int, topK: Int, layers: Int, seed: UInt64, places: Int? = nil, reached: Int = 0) {
        precondition((places == nil && reached == 0) || plan.capacityFactor == nil, "a gate that drops picks gives numbers by expert")
        precondition(plan.problems(experts: experts, topK: topK, layers: layers).isEmpty, "a gate needs a plan without problems")
        self.plan = plan
        self.experts = experts
        self.topK = topK
        self.layers = layers
        // A stream of its own beside those of `RandomPurpose`.
        var random = RandomStream(seed: seed, stream: 0x6761_7465)
        self.seed = random.next()
        if case .groups(let count, let kept) = plan.selection, kept < count { groups = count } else { groups = 1 }
        var sigma = plan.batchNoise
        if case .noisyTopK(let noise) = plan.selection { sigma = noise }
        let normals = tables.normals
        noiseFactors = normals.map { exponential(sigma * $0) }
        if case .noisyTopK = plan.selection { hazard = NoisyHazard(factors: noiseFactors) } else { hazard = NoisyHazard(factors: []) }
        popularity = ExpertPopularity(plan: plan, experts: experts, topK: topK, layers: layers, seed: self.seed)
        base = [Double](repeating: 1, count: layers * experts)
        weights = base
        slots = [UInt64](repeating: 0, count: layers * experts)
        groupWeights = [Double](repeating: 0, count: layers * groups)
        layerStep = [Int64](repeating: -1, count: layers)
        layerNoise = [NoiseKey](repeating: .batch(.min), count: layers)
        isStale = [Bool](repeating: true, count: layers)
        biasMoves = [Int32](repeating: 0, count: plan.biasRate > 0 ? layers * experts : 0)
        self.reached = reached
        scratch = GateScratch(experts: experts, groups: groups, topK: topK, reached: reached)
        usesBits = Self.usesBits(plan.selection)
        isPooled = plan.sampling == .pooled
        isShared = plan.selection == .expertChoice
        self.places = (places ?? experts) + reached
        // Behind the numbers by expert or place stand those of tokens that reach a host or rank, which may be as large as the row's tokens.
        pool = GatePool(experts: self.places, layers: layers)
        let extras = (0..<reached).map { Int32(experts + $0) }
        arrangement = places.map { count in (0..<layers).flatMap { _ in [Int32](repeating: -1, count: count) + extras } } ?? []
        reaches = reached > 0 ? [ExpertReach](repeating: ExpertReach(), count: layers) : []
    }

    /// The dearer a draw, the more batches a row serves.
    private static func usesBits(_ selection: GatePlan.Selection) -> Int {
        switch selection {
        case .topK, .expertChoice: 5
        case .noisyTopK: 6
        case .groups: 7
        }
    }

    /// How many of a rank's tokens pick each expert.
    ///
    /// - Parameters:
    ///   - layer: among the layers with experts, from 0.
    ///   - batch: number of the iteration; per-batch noise is drawn for it.
    ///   - rank: attention rank that the tokens are on.
    ///   - tokens: tokens of the rank's batch.
    ///   - at: emulated time, which decides the step of the drift.
    ///   - counts: overwritten; one for each place, each at most `tokens`.
    /// - Returns: Picks that were dropped for lack of capacity: the counts of all experts sum to `tokens x topK` less these.
    public mutating func route(layer: Int, batch: Int64, rank: Int, tokens: Int, at now: Instant, into counts: inout [Int32]) -> Int {
        route(Call(layer: layer, batch: batch, rank: rank, tokens: min(tokens, Int(Int32.max)), step: popularity.step(at: now)), into: &counts)
    }

    /// One batch of a rank.
    public struct Batch: Sendable {
        public var number: Int64
        /// At most 255.
        public var tokens: Int

        public init(number: Int64, tokens: Int) {
            self.number = number
            self.tokens = tokens
        }
    }

    /// The same in bytes, for all batches of a rank in some layers.
    /// - Parameters:
    ///   - batches: by part of the iteration.
    ///   - bytes: `places` for each layer and batch, batches side by side in each layer.
    public mutating func route(
        layers: Range<Int>, batches: [Batch], rank: Int, at now: Instant, into bytes: UnsafeMutableRawBufferPointer
    ) -> Int {
        let stride = batches.count * places
        precondition(batches.allSatisfy { $0.tokens < GatePool.narrowLimit } && bytes.count >= layers.count * stride, "numbers that fit in bytes")
        guard let base = bytes.baseAddress, !layers.isEmpty else { return 0 }
        let step = popularity.step(at: now)
        let isMadeInBytes = isPutTogether && plan.capacityFactor == nil
        if isMadeInBytes { for layer in layers where layerStep[layer] != step { setBase(layer: layer, step: step) } }
        var dropped = 0
        for (part, batch) in batches.enumerated() {
            let call = Call(layer: layers.lowerBound, batch: batch.number, rank: rank, tokens: batch.tokens, step: step)
            let target = base + part * places
            if isMadeInBytes, batch.tokens > 0 {
                pickPooled(call, layers: layers, into: target, stride: stride)
            } else {
                for layer in layers { dropped += narrow(call.inLayer(layer), into: target + (layer - layers.lowerBound) * stride) }
            }
        }
        return dropped
    }

    /// Numbers that are not made in bytes.
    private mutating func narrow(_ call: Call, into bytes: UnsafeMutableRawPointer) -> Int {
        var counts: [Int32] = []
        swap(&counts, &scratch.wide)
        let dropped = route(call, into: &counts)
        for place in 0..<places { bytes.storeBytes(of: UInt8(truncatingIfNeeded: counts[place]), toByteOffset: place, as: UInt8.self) }
        swap(&counts, &scratch.wide)
        return dropped
    }

    /// What is asked for.
    struct Call {
        var layer: Int
        var batch: Int64
        var rank: Int
        var tokens: Int
        var step: Int64

        /// The same in another layer.
        @inline(__always)
        func inLayer(_ layer: Int) -> Call {
            var call = self
            call.layer = layer
            return call
        }
    }

    /// Whether numbers are put together from rows.
    private var isPutTogether: Bool { isPooled && topK < experts && !isShared }

    @inline(__always)
    private mutating func route(_ call: Call, into counts: inout [Int32]) -> Int {
        if counts.count != places { counts = [Int32](repeating: 0, count: places) }
        return counts.withUnsafeMutableBufferPointer { route(call, into: $0) }
    }

    @inline(__always)
    private mutating func route(_ call: Call, into counts: UnsafeMutableBufferPointer<Int32>) -> Int {
        let (layer, tokens) = (call.layer, call.tokens)
        if isPutTogether, tokens > 0, tokens < GatePool.tokenLimit {
            if layerStep[layer] != call.step { setBase(layer: layer, step: call.step) }
            pickPooled(call, into: counts)
            return drop(tokens: tokens, from: counts)
        }
        guard isArranged else { return routeByExpert(call, into: counts) }
        // Taken out, so that drawing may write on the gate's other parts.
        var numbers: [Int32] = []
        swap(&numbers, &scratch.row)
        let dropped = numbers.withUnsafeMutableBufferPointer { numbers in
            let dropped = routeByExpert(call, into: numbers)
            if let numbers = numbers.baseAddress, let counts = counts.baseAddress { lay(layer, numbers, into: counts) }
            return dropped
        }
        swap(&numbers, &scratch.row)
        return dropped
    }

    /// Numbers by expert where they are not put together from rows.
    private mutating func routeByExpert(_ call: Call, into counts: UnsafeMutableBufferPointer<Int32>) -> Int {
        let (layer, tokens) = (call.layer, call.tokens)
        if tokens <= 0 || topK == experts {
            counts.update(repeating: Int32(max(tokens, 0)))
            return 0
        }
        if isShared {
            shareEvenly(tokens: tokens, rank: call.rank, layer: layer, batch: call.batch, into: counts)
            if reached > 0 { reaches[layer].expect(counts, topK: topK, tokens: tokens) }
            return 0
        }
        if layerStep[layer] != call.step { setBase(layer: layer, step: call.step) }
        counts.update(repeating: 0)
        var random = GateRandom(seed: seed, .route, UInt64(layer), UInt64(bitPattern: call.batch), UInt64(bitPattern: Int64(call.rank)))
        prepare(layer: layer, noise: .batch(call.batch), step: call.step)
        drawAll(layer: layer, tokens: tokens, random: &random, into: counts)
        return drop(tokens: tokens, from: counts)
    }

    /// Adds the picks of tokens, all drawn for this call, with the layer's present weights.
    mutating func draw(layer: Int, tokens: Int, random: inout GateRandom, into counts: UnsafeMutableBufferPointer<Int32>) {
        switch plan.selection {
        case .topK where tokens > Self.countedTokens:
            solveInclusion(layer: layer)
            count(tokens: tokens, probabilities: inclusion.probabilities, random: &random, into: counts)
        case .groups(_, let kept) where groups > 1: pickGroups(layer: layer, kept: kept, tokens: tokens, random: &random, into: counts)
        case .noisyTopK: pickNoisily(layer: layer, tokens: tokens, random: &random, into: counts)
        case .topK, .expertChoice, .groups: pick(layer: layer, tokens: tokens, random: &random, into: counts)
        }
    }

    /// Moves the bias of a layer by what a batch's global loads were: up for experts below the mean, down for those above.
    ///
    /// Loads by expert, of all ranks and before dropping. Does nothing without a `biasRate`.
    public mutating func updateBias(layer: Int, loads: [Int]) {
        guard !biasMoves.isEmpty, loads.count == experts else { return }
        let total = loads.reduce(0, &+)
        for expert in 0..<experts {
            let product = loads[expert] &* experts
            biasMoves[layer * experts + expert] &+= product < total ? 1 : product > total ? -1 : 0
        }
        isStale[layer] = true
        pool.clear(layer: layer)
    }

    /// The share of all picks that each expert gets in expectation, without per-batch noise and with the present bias.
    ///
    /// For selection by `topK` only: groups and noise of the scores are not in it.
    public mutating func expectedShares(layer: Int, at now: Instant) -> [Double] {
        guard topK < experts else { return [Double](repeating: 1 / Double(experts), count: experts) }
        setBase(layer: layer, step: popularity.step(at: now))
        var weights = Array(base[layer * experts..<(layer + 1) * experts])
        for expert in weights.indices { weights[expert] *= biasFactor(layer, expert) }
        var inclusion = Inclusion()
        weights.withUnsafeBufferPointer { inclusion.solve($0, topK: topK) }
        return inclusion.probabilities.map { $0 / Double(topK) }
    }

    // MARK: - Tables

    /// Makes weights and tables of a layer those of this draw of the noise.
    @inline(__always)
    mutating func prepare(layer: Int, noise: NoiseKey, step: Int64) {
        if layerStep[layer] == step, !isStale[layer], plan.batchNoise == 0 || layerNoise[layer] == noise { return }
        rebuild(layer: layer, noise: noise, step: step)
    }

    @inline(never)
    private mutating func setBase(layer: Int, step: Int64) {
        guard layerStep[layer] != step else { return }
        base.withUnsafeMutableBufferPointer { base in
            popularity.weights(layer: layer, step: step, into: UnsafeMutableBufferPointer(rebasing: base[layer * experts..<(layer + 1) * experts]))
        }
        layerStep[layer] = step
        isStale[layer] = true
        pool.clear(layer: layer)
    }

    @inline(never)
    private mutating func rebuild(layer: Int, noise: NoiseKey, step: Int64) {
        setBase(layer: layer, step: step)
        isStale[layer] = false
        layerNoise[layer] = noise
        if inclusionLayer == layer { inclusionLayer = -1 }
        let first = layer * experts
        var random =
            switch noise {
            case .batch(let batch): GateRandom(seed: seed, .batch, UInt64(layer), UInt64(bitPattern: batch))
            case .pooled(let epoch, let slot): GateRandom(seed: seed, .pooledNoise, UInt64(layer), UInt64(bitPattern: epoch), UInt64(slot))
            }
        base.withUnsafeBufferPointer { base in
            weights.withUnsafeMutableBufferPointer { weights in
                if plan.batchNoise > 0 {
                    noiseFactors.withUnsafeBufferPointer { factors in
                        var bits: UInt64 = 0
                        for expert in 0..<experts {
                            if expert % 6 == 0 { bits = random.next() }
                            weights[first + expert] = base[first + expert] * factors[Int(bits & (1 << GateTables.normalBits - 1))]
                            bits >>= GateTables.normalBits
                        }
                    }
                } else {
                    for expert in 0..<experts { weights[first + expert] = base[first + expert] }
                }
            }
        }
        if !biasMoves.isEmpty { for expert in 0..<experts { weights[first + expert] *= biasFactor(layer, expert) } }
        buildSlots(layer: layer)
    }

    private mutating func buildSlots(layer: Int) {
        let size = experts / groups
        weights.withUnsafeBufferPointer { weights in
            slots.withUnsafeMutableBufferPointer { slots in
                for group in 0..<groups {
                    let start = layer * experts + group * size
                    let part = UnsafeBufferPointer(rebasing: weights[start..<start + size])
                    var sum = 0.0
                    for weight in part { sum += weight }
                    groupWeights[layer * groups + group] = sum
                    AliasTable.build(
                        UnsafeMutableBufferPointer(rebasing: slots[start..<start + size]), weights: part, sum: sum, first: group * size,
                        scratch: &scratch.alias)
                }
            }
        }
    }

    private func biasFactor(_ layer: Int, _ expert: Int) -> Double {
        guard !biasMoves.isEmpty else { return 1 }
        // Cut where a weight would leave the range of numbers.
        return exponential(min(max(plan.biasRate * Double(biasMoves[layer * experts + expert]), -200), 200))
    }

    private mutating func solveInclusion(layer: Int) {
        guard inclusionLayer != layer else { return }
        weights.withUnsafeBufferPointer { weights in
            inclusion.solve(UnsafeBufferPointer(rebasing: weights[layer * experts..<(layer + 1) * experts]), topK: topK)
        }
        inclusionLayer = layer
    }
}
