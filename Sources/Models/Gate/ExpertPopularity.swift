import Quantities

/// The weights of a layer's experts at a step of the drift, before noise and bias.
///
/// Every expert has a score in every layer, a standard normal variate: `sqrt(c)` times one that all layers share plus `sqrt(1 - c)` times its
/// own, so that scores of two layers have the correlation `c`. The score decides which place in the distribution of weights the expert gets.
/// Everything is a function of seed, layer, expert and step.
struct ExpertPopularity: Sendable, Equatable {
    private let plan: GatePlan
    private let experts: Int
    private let topK: Int
    private let seed: UInt64
    /// Weights in descending order by layer; empty where they are not worked out yet, or where scores give weights without ranks.
    private var spectrum: [[Double]]
    private var scores: [Double]
    private var order: [Int]

    init(plan: GatePlan, experts: Int, topK: Int, layers: Int, seed: UInt64) {
        self.plan = plan
        self.experts = experts
        self.topK = topK
        self.seed = seed
        spectrum = [[Double]](repeating: [], count: layers)
        scores = [Double](repeating: 0, count: experts)
        order = Array(0..<experts)
    }

    /// The step of the drift at a point in time.
    @inline(__always)
    func step(at now: Instant) -> Int64 {
        guard let drift = plan.drift, drift.period > 0 else { return 0 }
        return max(0, now) / drift.period
    }

    /// Writes the weights, of mean 1; none is below a millionth of the mean.
    mutating func weights(layer: Int, step: Int64, into weights: UnsafeMutableBufferPointer<Double>) {
        switch plan.popularity {
        case .uniform:
            for expert in 0..<experts { weights[expert] = 1 }
            return
        case .logNormal(let sigma):
            setScores(layer: layer, step: step, recorded: nil)
            for expert in 0..<experts { weights[expert] = exponential(sigma * scores[expert]) }
        case .zipf, .dirichlet:
            setScores(layer: layer, step: step, recorded: nil)
            assign(layer: layer, into: weights)
        case .recorded(let loads):
            setScores(layer: layer, step: step, recorded: loads[layer])
            assign(layer: layer, into: weights)
        }
        Self.normalise(weights)
    }

    /// Scales to a mean of 1 and lifts the least.
    private static func normalise(_ weights: UnsafeMutableBufferPointer<Double>) {
        var sum = 0.0
        for weight in weights { sum += weight }
        let scale = Double(weights.count) / sum
        for index in weights.indices { weights[index] = max(weights[index] * scale, 1e-6) }
    }

    /// Gives the largest weight to the expert with the best score, and so on.
    private mutating func assign(layer: Int, into weights: UnsafeMutableBufferPointer<Double>) {
        if spectrum[layer].isEmpty { spectrum[layer] = newSpectrum(layer: layer) }
        for expert in 0..<experts { order[expert] = expert }
        scores.withUnsafeBufferPointer { scores in
            order.sort { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
        }
        for (rank, expert) in order.enumerated() { weights[expert] = spectrum[layer][rank] }
    }

    private func newSpectrum(layer: Int) -> [Double] {
        switch plan.popularity {
        case .uniform, .logNormal: return [Double](repeating: 1, count: experts)
        case .zipf(let exponent): return (1...experts).map { exponential(-exponent * naturalLog(Double($0))) }
        case .dirichlet(let alpha):
            var random = GateRandom(seed: seed, .spectrum, UInt64(layer))
            var stream = random.stream()
            // Against a sum of 0: with a small alpha all draws may be too small to represent.
            return (0..<experts).map { _ in max(stream.gammaVariate(shape: alpha), 1e-300) }.sorted(by: >)
        case .recorded(let loads): return Inclusion.weights(shares: loads[layer], topK: topK).sorted(by: >)
        }
    }

    /// Scores at a step. Each expert is drawn anew every `1 / share` steps; when, is spread evenly over experts and the same in all layers.
    private mutating func setScores(layer: Int, step: Int64, recorded: [Double]?) {
        let share = plan.drift?.share ?? 0
        let own = (1 - plan.layerCorrelation).squareRoot()
        let common = plan.layerCorrelation.squareRoot()
        for expert in 0..<experts {
            var phase = GateRandom(seed: seed, .phase, UInt64(expert))
            let generation = UInt64(Double(step) * share + phase.unit())
            if recorded != nil, generation == 0 { continue }
            var score = 0.0
            if own > 0 {
                var random = GateRandom(seed: seed, .layerScore, UInt64(layer), UInt64(expert), generation)
                score += own * normalQuantile(random.unit())
            }
            if common > 0 {
                var random = GateRandom(seed: seed, .sharedScore, UInt64(expert), generation)
                score += common * normalQuantile(random.unit())
            }
            scores[expert] = score
        }
        guard let recorded else { return }
        // At first, the scores are those that give every expert the load that was recorded for it.
        for expert in 0..<experts { order[expert] = expert }
        order.sort { recorded[$0] != recorded[$1] ? recorded[$0] > recorded[$1] : $0 < $1 }
        for (rank, expert) in order.enumerated() {
            var phase = GateRandom(seed: seed, .phase, UInt64(expert))
            guard UInt64(Double(step) * share + phase.unit()) == 0 else { continue }
            scores[expert] = normalQuantile(1 - (Double(rank) + 0.5) / Double(experts))
        }
    }
}
