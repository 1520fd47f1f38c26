import Models
import Quantities

/// Times of a gate's calls: batches of rows beside batches of which every pick is drawn, 256 experts, 8 a token, 58 layers.
struct GatePieces {
    /// Batches that a measured call is one of; each goes through all layers.
    let batches: Int

    private static let layers = 58

    private static let plans: [(name: String, plan: GatePlan)] = [
        ("top-k", GatePlan(popularity: .logNormal(sigma: 0.5))),
        ("top-k with batch noise", GatePlan(popularity: .logNormal(sigma: 0.5), batchNoise: 0.3)),
        ("4 of 8 groups", GatePlan(popularity: .logNormal(sigma: 0.5), selection: .groups(count: 8, kept: 4))),
        ("noisy top-k", GatePlan(popularity: .logNormal(sigma: 0.5), selection: .noisyTopK(noise: 1))),
    ]

    /// Name, value and unit of each figure.
    func measure() -> [(name: String, value: Double, unit: String)] {
        var found: [(String, Double, String)] = []
        for (name, plan) in Self.plans {
            let exact = nanoseconds(plan, .exact, tokens: 64..<65, ranks: 1, batches: max(batches / 32, 1))
            let pooled = nanoseconds(plan, .pooled, tokens: 64..<65, ranks: 1, batches: batches)
            found.append(("\(name), 64 tokens, exact", exact, "ns"))
            found.append(("\(name), 64 tokens, pooled", pooled, "ns"))
            found.append(("\(name), exact to pooled", exact / pooled, "x"))
        }
        let plan = Self.plans[0].plan
        for tokens in [32, 128] {
            found.append(
                ("top-k, \(tokens) tokens, pooled", nanoseconds(plan, .pooled, tokens: tokens..<tokens + 1, ranks: 1, batches: batches), "ns"))
        }
        let ranks = nanoseconds(plan, .pooled, tokens: 57..<65, ranks: 32, batches: batches / 4)
        found.append(("top-k, 57 to 64 tokens, 32 gates in turn, pooled", ranks, "ns"))
        return found
    }

    /// Mean time of a call, median of three rounds; tables are built and rows are in use when the clock starts.
    private func nanoseconds(_ plan: GatePlan, _ sampling: GatePlan.Sampling, tokens: Range<Int>, ranks: Int, batches: Int) -> Double {
        var plan = plan
        plan.sampling = sampling
        var gates = (0..<ranks).map { _ in Gate(plan: plan, experts: 256, topK: 8, layers: Self.layers, seed: 1) }
        var counts: [Int32] = []
        var sum: Int32 = 0
        func route(_ range: Range<Int>) {
            for batch in range {
                for layer in 0..<Self.layers {
                    for rank in gates.indices {
                        let number = tokens.lowerBound + (batch * 7 + rank) % tokens.count
                        _ = gates[rank].route(layer: layer, batch: Int64(batch), rank: rank, tokens: number, at: 0, into: &counts)
                        sum &+= counts[0]
                    }
                }
            }
        }
        let start = sampling == .pooled ? 128 : 1
        route(0..<start)
        let part = max(batches / 3, 1)
        let time = Measure.median((0..<3).map { round in Measure.time { route(start + round * part..<start + (round + 1) * part) } })
        return sum == 0 ? .nan : time / Double(part * Self.layers * ranks) * 1e9
    }
}
