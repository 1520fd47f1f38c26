/// Every pick drawn.
extension Gate {
    /// Draws that hit an expert picked before, one after the other, until the rest is gone through one by one instead.
    private static let patience = 48

    /// Picks by weight without replacement: draws with replacement of which repeated ones are ignored, which has the same distribution.
    ///
    /// What is held for an expert is the number of the token that picked it last in the upper 16 bits and how many did
    /// in the lower, so that a pick takes one load and one store.
    mutating func pick(layer: Int, tokens: Int, random: inout GateRandom, into counts: UnsafeMutableBufferPointer<Int32>) {
        var nobody = NoPickSink()
        pick(layer: layer, tokens: tokens, random: &random, into: counts, telling: &nobody)
    }

    /// The same for a sink that is told of every pick.
    mutating func pick<Sink: PickSink>(
        layer: Int, tokens: Int, random: inout GateRandom, into counts: UnsafeMutableBufferPointer<Int32>, telling sink: inout Sink
    ) {
        for part in stride(from: 0, to: tokens, by: Self.countedTokens) {
            pickPart(layer: layer, tokens: min(tokens - part, Self.countedTokens), random: &random, into: counts, &sink)
        }
    }

    @inline(__always)
    private mutating func pickPart<Sink: PickSink>(
        layer: Int, tokens: Int, random: inout GateRandom, into counts: UnsafeMutableBufferPointer<Int32>, _ sink: inout Sink
    ) {
        let (topK, experts, firstSlot) = (topK, UInt64(experts), layer * experts)
        // Own copies, so that they stay in registers.
        var generator = random
        let weights = weights
        slots.withUnsafeBufferPointer { slots in
            scratch.marks.withUnsafeMutableBufferPointer { marks in
                guard let slots = slots.baseAddress else { return }
                marks.update(repeating: 0)
                guard let marks = marks.baseAddress, let counts = counts.baseAddress else { return }
                let table = slots + firstSlot
                for token in 0..<UInt32(truncatingIfNeeded: tokens) {
                    let stamp = (token &+ 1) << 16
                    sink.begin()
                    var picked = 0
                    var tries = 0
                    while picked < topK {
                        let bits = generator.next()
                        let one = AliasTable.draw(table, count: experts, first: 0, bits: bits >> 32)
                        picked &+= Self.mark(one, stamp, marks, counts, &sink)
                        guard picked < topK else { break }
                        let two = AliasTable.draw(table, count: experts, first: 0, bits: bits & 0xffff_ffff)
                        picked &+= Self.mark(two, stamp, marks, counts, &sink)
                        tries &+= 1
                        if tries > topK + Self.patience {
                            let rest = weights[firstSlot..<firstSlot + Int(experts)]
                            Self.finish(topK - picked, of: rest, stamp: stamp, marks: marks, random: &generator, counts, &sink)
                            break
                        }
                    }
                }
                for expert in 0..<Int(experts) { counts[expert] &+= Int32(marks[expert] & 0xffff) }
            }
        }
        random = generator
    }

    /// Counts a pick unless the token has made it before; answers how many that is.
    @inline(__always)
    private static func mark<Sink: PickSink>(
        _ expert: Int, _ stamp: UInt32, _ marks: UnsafeMutablePointer<UInt32>, _ counts: UnsafeMutablePointer<Int32>, _ sink: inout Sink
    ) -> Int {
        let held = marks[expert]
        let isNew = held < stamp
        marks[expert] = isNew ? (held & 0xffff | stamp) &+ 1 : held
        if Sink.listens, isNew { sink.take(expert, turn: Int(counts[expert]) &+ Int(held & 0xffff)) }
        return isNew ? 1 : 0
    }

    /// The rest of a token's picks when few draws hit anything new: each goes through the experts that are left.
    @inline(never)
    private static func finish<Sink: PickSink>(
        _ picks: Int, of weights: ArraySlice<Double>, stamp: UInt32, marks: UnsafeMutablePointer<UInt32>, random: inout GateRandom,
        _ counts: UnsafeMutablePointer<Int32>, _ sink: inout Sink
    ) {
        for _ in 0..<picks {
            var left = 0.0
            for (expert, weight) in weights.enumerated() where marks[expert] < stamp { left += weight }
            var target = random.unit() * left
            var chosen = -1
            for (expert, weight) in weights.enumerated() where marks[expert] < stamp {
                chosen = expert
                target -= weight
                if target < 0 { break }
            }
            guard chosen >= 0 else { return }
            _ = mark(chosen, stamp, marks, counts, &sink)
        }
    }
}

/// Who is told of every pick of tokens that pick one by one.
protocol PickSink {
    /// Whether anybody is: where not, nothing is done for it.
    static var listens: Bool { get }
    /// The next token picks.
    mutating func begin()
    /// - Parameter turn: picks of the expert before.
    mutating func take(_ expert: Int, turn: Int)
}

/// Nobody is told.
struct NoPickSink: PickSink {
    static var listens: Bool { false }
    @inline(__always)
    mutating func begin() {}
    @inline(__always)
    mutating func take(_ expert: Int, turn: Int) {}
}
