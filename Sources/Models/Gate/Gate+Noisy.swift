/// Picks by score with a normal variate more: expert `e` arrives after an exponential time at rate `w_e exp(s N)`, the first `topK` are picked.
/// (Minus the logarithm of an exponential time of rate `w` is `ln w` plus a Gumbel variate.)
extension Gate {
    mutating func pickNoisily(layer: Int, tokens: Int, random: inout GateRandom, into counts: UnsafeMutableBufferPointer<Int32>) {
        if isThinned(layer: layer) {
            pickThinned(layer: layer, tokens: tokens, random: &random, into: counts)
        } else {
            pickScored(layer: layer, tokens: tokens, random: &random, into: counts)
        }
    }

    /// Whether enough experts arrive, in expectation, before there are half as many candidates as experts.
    private func isThinned(layer: Int) -> Bool {
        let first = layer * experts
        var arrived = 0.0
        for expert in 0..<experts {
            arrived += 1 - hazard.leftShare(weights[first + expert] / groupWeights[layer] * Double(experts / 2))
        }
        return arrived > 1.25 * Double(topK)
    }

    /// Candidates come at the rate that arrivals have at first, all experts together; one is an arrival with the share that its hazard has fallen to,
    /// if the expert did not arrive before (thinning, Lewis and Shedler 1979). A token needs few more candidates than it picks experts.
    private mutating func pickThinned(layer: Int, tokens: Int, random: inout GateRandom, into counts: UnsafeMutableBufferPointer<Int32>) {
        scratch.reserveMarks(tokens: tokens)
        var generator = random
        var stamp = scratch.stamp
        let (tables, hazard, topK, experts, first) = (tables, hazard, topK, UInt64(experts), layer * experts)
        let unit = 1 / groupWeights[layer]
        weights.withUnsafeBufferPointer { weights in
            slots.withUnsafeBufferPointer { slots in
                scratch.marks.withUnsafeMutableBufferPointer { marks in
                    guard let table = slots.baseAddress.map({ $0 + first }) else { return }
                    for _ in 0..<tokens {
                        stamp &+= 1
                        var picked = 0
                        var time = 0.0
                        while picked < topK {
                            time += tables.exponentialVariate(&generator)
                            let bits = generator.next()
                            let expert = AliasTable.draw(table, count: experts, first: 0, bits: bits >> 32)
                            let share = hazard.realShare(weights[first + expert] * unit * time)
                            guard Double(bits & 0xffff_ffff) * 0x1p-32 < share, marks[expert] != stamp else { continue }
                            marks[expert] = stamp
                            counts[expert] &+= 1
                            picked &+= 1
                        }
                    }
                }
            }
        }
        scratch.stamp = stamp
        random = generator
    }

    /// A score for each expert and token.
    private mutating func pickScored(layer: Int, tokens: Int, random: inout GateRandom, into counts: UnsafeMutableBufferPointer<Int32>) {
        var generator = random
        let (topK, experts, first) = (topK, experts, layer * experts)
        let tables = tables
        weights.withUnsafeBufferPointer { weights in
            noiseFactors.withUnsafeBufferPointer { factors in
                scratch.bestTimes.withUnsafeMutableBufferPointer { times in
                    scratch.bestExperts.withUnsafeMutableBufferPointer { best in
                        for _ in 0..<tokens {
                            var held = 0
                            for expert in 0..<experts {
                                let bits = generator.next()
                                let factor = factors[Int(bits >> (64 - GateTables.normalBits))]
                                let time = tables.exponentialVariate(&generator) / (weights[first + expert] * factor)
                                if held == topK, time >= times[topK - 1] { continue }
                                var place = min(held, topK - 1)
                                while place > 0, times[place - 1] > time {
                                    times[place] = times[place - 1]
                                    best[place] = best[place - 1]
                                    place -= 1
                                }
                                times[place] = time
                                best[place] = Int32(expert)
                                held = min(held + 1, topK)
                            }
                            for place in 0..<topK { counts[Int(best[place])] &+= 1 }
                        }
                    }
                }
            }
        }
        random = generator
    }
}
