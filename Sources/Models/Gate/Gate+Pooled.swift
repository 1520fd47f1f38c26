/// Numbers put together from rows that serve several batches.
extension Gate {
    /// Which rows a batch is made of.
    private struct RowKey {
        var slot: Int
        var epoch: Int64
    }

    /// Every block of 8 batches uses each of the 8 slots once, in an order of its own; a row is replaced after `2^usesBits` blocks, not all in the
    /// same one. Ranks have orders of their own, but where batches have noise: there a slot stands for one draw of the noise, which all ranks share.
    @inline(__always)
    private func rowKey(layer: Int, batch: Int64, rank: Int) -> RowKey {
        let block = batch >> Int64(GatePool.slotBits)
        let who = plan.batchNoise > 0 ? 0 : UInt64(bitPattern: Int64(rank)) &+ 1
        let word = GateRandom.word(seed: seed, .pooledOrder, UInt64(bitPattern: block), UInt64(layer) << 32 ^ who)
        let place = UInt64(bitPattern: batch) & UInt64(GatePool.slots - 1)
        let slot = Int((place &* (word | 1) &+ word >> 32) & UInt64(GatePool.slots - 1))
        let phase = Int64(slot) << Int64(usesBits - GatePool.slotBits)
        return RowKey(slot: slot, epoch: (block &+ phase) >> Int64(usesBits))
    }

    @inline(__always)
    mutating func pickPooled(_ call: Call, into counts: UnsafeMutableBufferPointer<Int32>) {
        guard let counts = counts.baseAddress else { return }
        let (key, bank) = findRows(call)
        pool.sum(bank: bank, layer: call.layer, slot: key.slot, tokens: call.tokens, into: counts)
    }

    @inline(__always)
    mutating func pickPooled(_ call: Call, into bytes: UnsafeMutableBufferPointer<UInt8>) {
        guard let bytes = bytes.baseAddress else { return }
        let (key, bank) = findRows(call)
        pool.sumBytes(bank: bank, layer: call.layer, slot: key.slot, tokens: call.tokens, into: bytes)
    }

    /// Which rows a call needs, and which rank's they are; draws those that are not there.
    @inline(__always)
    private mutating func findRows(_ call: Call) -> (RowKey, bank: Int) {
        let key = rowKey(layer: call.layer, batch: call.batch, rank: call.rank)
        let bank = pool.bank(of: call.rank)
        var left = call.tokens
        while left != 0 {
            let size = GatePool.takeSize(&left)
            if !pool.holds(bank: bank, size: size, layer: call.layer, slot: key.slot, epoch: key.epoch) {
                drawRow(call, bank: bank, size: size, key: key)
            }
        }
        return (key, bank)
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
            draw(layer: layer, tokens: GatePool.tokens(size), random: &random, into: row)
            guard let row = row.baseAddress else { return }
            store(row, layer: layer, bank: bank, size: size, key: key)
        }
        swap(&row, &scratch.row)
    }

    /// Keeps a row as it is laid out.
    private mutating func store(_ row: UnsafePointer<Int32>, layer: Int, bank: Int, size: Int, key: RowKey) {
        guard isArranged else { return pool.store(row, bank: bank, size: size, layer: layer, slot: key.slot, epoch: key.epoch) }
        var arranged: [Int32] = []
        swap(&arranged, &scratch.arranged)
        arranged.withUnsafeMutableBufferPointer { arranged in
            guard let arranged = arranged.baseAddress else { return }
            lay(layer, row, into: arranged)
            pool.store(arranged, bank: bank, size: size, layer: layer, slot: key.slot, epoch: key.epoch)
        }
        swap(&arranged, &scratch.arranged)
    }
}
