/// Numbers put together from rows that serve several batches.
extension Gate {
    /// Which rows a batch is made of.
    private struct RowKey {
        var slot: Int
        var epoch: Int64
    }

    /// Every block of 8 batches uses each of the 8 slots once, in an order of its own; a row is replaced after `2^usesBits` blocks, not all in the
    /// same one. Ranks have orders of their own, which are those of all their layers; where batches have noise, a slot stands for one draw of the
    /// noise, which all ranks share, and layers have orders of their own.
    @inline(__always)
    private func rowKey(layer: Int, batch: Int64, rank: Int) -> RowKey {
        let block = batch >> Int64(GatePool.slotBits)
        let who = plan.batchNoise > 0 ? UInt64(layer) << 32 : UInt64(bitPattern: Int64(rank)) &+ 1
        let word = GateRandom.word(seed: seed, .pooledOrder, UInt64(bitPattern: block), who)
        let place = UInt64(bitPattern: batch) & UInt64(GatePool.slots - 1)
        let slot = Int((place &* (word | 1) &+ word >> 32) & UInt64(GatePool.slots - 1))
        let phase = Int64(slot) << Int64(usesBits - GatePool.slotBits)
        return RowKey(slot: slot, epoch: (block &+ phase) >> Int64(usesBits))
    }

    @inline(__always)
    mutating func pickPooled(_ call: Call, into counts: UnsafeMutableBufferPointer<Int32>) {
        guard let counts = counts.baseAddress else { return }
        let bank = pool.bank(of: call.rank)
        let key = rowKey(layer: call.layer, batch: call.batch, rank: call.rank)
        findRows(call, key, bank)
        pool.sum(bank: bank, layer: call.layer, slot: key.slot, tokens: call.tokens, into: counts)
    }

    /// - Parameters:
    ///   - call: with the first of the layers.
    ///   - stride: bytes from the numbers of one layer to those of the next one.
    @inline(__always)
    mutating func pickPooled(_ call: Call, layers: Range<Int>, into bytes: UnsafeMutableRawPointer, stride: Int) {
        let bank = pool.bank(of: call.rank)
        guard plan.batchNoise == 0 else {
            for layer in layers {
                let key = rowKey(layer: layer, batch: call.batch, rank: call.rank)
                findRows(call.inLayer(layer), key, bank)
                let target = bytes + (layer - layers.lowerBound) * stride
                pool.sumBytes(bank: bank, layers: layer..<layer + 1, slot: key.slot, tokens: call.tokens, into: target, stride: stride)
            }
            return
        }
        let key = rowKey(layer: call.layer, batch: call.batch, rank: call.rank)
        var left = call.tokens
        while left != 0 {
            let size = GatePool.takeSize(&left)
            if pool.holdsAll(bank: bank, size: size, slot: key.slot, epoch: key.epoch) { continue }
            for layer in layers { findRow(call.inLayer(layer), key, bank, size) }
        }
        pool.sumBytes(bank: bank, layers: layers, slot: key.slot, tokens: call.tokens, into: bytes, stride: stride)
    }

    /// Draws those rows for a call that are not there.
    @inline(__always)
    private mutating func findRows(_ call: Call, _ key: RowKey, _ bank: Int) {
        var left = call.tokens
        while left != 0 { findRow(call, key, bank, GatePool.takeSize(&left)) }
    }

    @inline(__always)
    private mutating func findRow(_ call: Call, _ key: RowKey, _ bank: Int, _ size: Int) {
        if !pool.holds(bank: bank, size: size, layer: call.layer, slot: key.slot, epoch: key.epoch) {
            drawRow(call, bank: bank, size: size, key: key)
        }
    }

    @inline(never)
    private mutating func drawRow(_ call: Call, bank: Int, size: Int, key: RowKey) {
        let layer = call.layer
        prepare(layer: layer, noise: .pooled(epoch: key.epoch, slot: key.slot), step: call.step)
        let place = layer << 8 | key.slot << 5 | size
        var random = GateRandom(seed: seed, .pooledRow, UInt64(place), UInt64(bitPattern: key.epoch), UInt64(bitPattern: Int64(call.rank)))
        // Taken out, so that drawing may write on the gate's other parts.
        var row: [Int32] = []
        swap(&row, &scratch.row)
        row.withUnsafeMutableBufferPointer { row in
            row.update(repeating: 0)
            drawAll(layer: layer, tokens: GatePool.tokens(size), random: &random, into: row)
            guard let row = row.baseAddress else { return }
            let (first, isArranged) = (layer * places, isArranged)
            arrangement.withUnsafeBufferPointer { arrangement in
                let order = isArranged ? arrangement.baseAddress.map { $0 + first } : nil
                pool.store(row, order: order, bank: bank, size: size, layer: layer, slot: key.slot, epoch: key.epoch)
            }
        }
        swap(&row, &scratch.row)
    }
}
