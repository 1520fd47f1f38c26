/// Rules that settle or cut numbers by expert without drawing any.
extension Gate {
    /// Expert choice: all experts alike, the remainder to a run of experts that goes on where that of the rank before ends.
    func shareEvenly(tokens: Int, rank: Int, layer: Int, batch: Int64, into counts: UnsafeMutableBufferPointer<Int32>) {
        let (each, remainder) = (tokens * topK).quotientAndRemainder(dividingBy: experts)
        var random = GateRandom(seed: seed, .remainder, UInt64(layer), UInt64(bitPattern: batch))
        let start = (random.below(experts) + rank % experts * remainder) % experts
        counts.update(repeating: Int32(each))
        for expert in start..<min(start + remainder, experts) { counts[expert] &+= 1 }
        for expert in 0..<max(start + remainder - experts, 0) { counts[expert] &+= 1 }
    }

    /// Cuts numbers at what an expert takes from one rank's batch; answers the picks that are dropped.
    func drop(tokens: Int, from counts: UnsafeMutableBufferPointer<Int32>) -> Int {
        guard let factor = plan.capacityFactor else { return 0 }
        let capacity = capacity(tokens: tokens, factor: factor)
        // In 32 bits, which is twice as fast, unless so many picks are thinkable that it wraps around.
        var kept: UInt32 = 0
        for expert in 0..<experts {
            let number = min(counts[expert], capacity)
            counts[expert] = number
            kept &+= UInt32(bitPattern: number)
        }
        guard tokens * topK <= Int(UInt32.max) else { return tokens * topK - counts.reduce(0) { $0 + Int($1) } }
        return tokens * topK - Int(kept)
    }

    private func capacity(tokens: Int, factor: Double) -> Int32 {
        let limit = (factor * Double(tokens * topK) / Double(experts)).rounded(.up)
        return limit < Double(tokens) ? Int32(limit) : Int32(tokens)
    }
}
