/// Numbers laid out by place, where a caller needs them in another order than that of experts.
extension Gate {
    /// Lays the numbers of a layer out: each place gets that of its expert, or 0 where there is none (-1).
    ///
    /// Rows are kept as they are laid out, so that nothing is moved when they are put together. What is drawn stays the same.
    public mutating func arrange(layer: Int, as experts: [Int32]) {
        guard !arrangement.isEmpty, experts.count == places - reached else { return }
        for place in experts.indices { arrangement[layer * places + place] = experts[place] < self.experts ? experts[place] : -1 }
        pool.clear(layer: layer)
    }

    /// Numbers by expert as numbers by place.
    func lay(_ layer: Int, _ numbers: UnsafePointer<Int32>, into target: UnsafeMutablePointer<Int32>) {
        let (first, count) = (layer * places, places)
        arrangement.withUnsafeBufferPointer { arrangement in
            guard let order = arrangement.baseAddress.map({ $0 + first }) else { return }
            for place in 0..<count {
                let expert = Int(order[place])
                target[place] = numbers[max(expert, 0)] & ~Int32(truncatingIfNeeded: expert >> 63)
            }
        }
    }

    /// Ranks whose rows are kept at a time: with more of them they are drawn again and again.
    public static var ranksKept: Int { GatePool.banks }

    var isArranged: Bool { !arrangement.isEmpty }
}
