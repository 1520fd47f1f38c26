/// Rows of numbers by expert, each drawn for a fixed number of tokens, from which batches are put together.
///
/// A batch is made of one row for each digit of its number of tokens in base 4: sizes are 1, 2, 3, 4, 8, 12, 16 ... 49152. Only a cache: what a
/// row holds is a function of its key, so that it may be lost and drawn again at any time, and a copy of a pool begins empty. By rank, layer and
/// size there are `slots` rows: of 8-bit numbers for sizes up to 192 tokens, of 16-bit ones above. The rows of a slot and size lie side by side,
/// layer after layer, for that is how they are gone through. Memory for 25 KB a layer, all the smaller sizes and 256 experts, is set aside for a rank
/// when it is first used, and 4 KB a layer for each larger size when that is; the system gives it when rows are written.
struct GatePool: Sendable {
    /// Tokens below which a number has a row for each of its digits.
    static let tokenLimit = 1 << 16
    static let sizes = 24
    /// How many of the sizes have 8-bit numbers; those of a slot lie side by side.
    static let narrowSizes = 12
    static let narrowLimit = 256
    static let slotBits = 3
    /// Rows of one size that a rank has at a time in a layer.
    static let slots = 1 << slotBits
    /// Ranks that hold rows at a time; one more takes the place of another.
    static let banks = 256
    /// The narrow sizes together, and each wide one.
    static let kinds = 1 + sizes - narrowSizes

    /// Numbers in a row: one for each expert, or for each place that they are laid out in.
    let experts: Int
    let layers: Int
    /// Bytes of a narrow row, in whole vectors; a wide one takes twice as many.
    private let narrowBytes: Int
    private var memory: GatePoolMemory

    init(experts: Int, layers: Int) {
        self.experts = experts
        self.layers = layers
        narrowBytes = (experts + 15) / 16 * 16
        memory = GatePoolMemory()
    }

    /// Takes the lowest digit off a number of tokens above 0: answers the size that stands for it.
    @inline(__always)
    static func takeSize(_ left: inout Int) -> Int {
        let place = left.trailingZeroBitCount >> 1
        let digit = left >> (2 * place) & 3
        left &= ~(3 << (2 * place))
        return 3 * place + digit - 1
    }

    /// Tokens of a row of this size.
    static func tokens(_ size: Int) -> Int { (size % 3 + 1) << (size / 3 * 2) }

    @inline(__always)
    private static func kind(_ size: Int) -> Int { size < narrowSizes ? 0 : size - narrowSizes + 1 }

    @inline(__always)
    private static func tag(_ epoch: Int64) -> UInt64 { UInt64(bitPattern: epoch) << 1 | 1 }

    /// Rows of a kind that a rank has in a layer.
    @inline(__always)
    private static func lines(_ kind: Int) -> Int { kind == 0 ? slots * narrowSizes : slots }

    /// The place of a size and slot among those of its kind.
    @inline(__always)
    private static func line(_ size: Int, _ slot: Int) -> Int { size < narrowSizes ? slot * narrowSizes + size : slot }

    @inline(__always)
    private static func block(_ bank: Int, _ size: Int, _ slot: Int) -> Int { (bank * sizes + size) * slots + slot }

    /// Bytes of the tags before the rows of a kind, in whole cache lines.
    @inline(__always)
    private func tagBytes(_ kind: Int) -> Int { (Self.lines(kind) * layers * 8 + 63) & ~63 }

    @inline(__always)
    private func rowBytes(_ kind: Int) -> Int { kind == 0 ? narrowBytes : 2 * narrowBytes }

    /// The tags of a size's rows in a slot, by layer, 0 for a row that is not there; `nil` where there is no room for them yet.
    @inline(__always)
    private func tags(_ bank: Int, _ size: Int, _ slot: Int) -> UnsafeMutablePointer<UInt64>? {
        memory.chunks[bank * Self.kinds + Self.kind(size)].map { $0.assumingMemoryBound(to: UInt64.self) + Self.line(size, slot) * layers }
    }

    /// A size's rows in a slot, by layer.
    @inline(__always)
    private func rows(_ bank: Int, _ size: Int, _ slot: Int) -> UnsafeMutableRawPointer? {
        let kind = Self.kind(size)
        return memory.chunks[bank * Self.kinds + kind].map { $0 + tagBytes(kind) + Self.line(size, slot) * layers * rowBytes(kind) }
    }

    // MARK: - Keeping

    /// The place of a rank's rows, which are empty if another rank had it. Asked for before anything else about them.
    @inline(__always)
    mutating func bank(of rank: Int) -> Int {
        let bank = Int(UInt(bitPattern: rank) % UInt(Self.banks))
        if !isKnownUniquelyReferenced(&memory) { memory = GatePoolMemory() }
        if bank >= memory.ranks.count || memory.ranks[bank] != rank { takeBank(bank, rank) }
        return bank
    }

    @inline(never)
    private mutating func takeBank(_ bank: Int, _ rank: Int) {
        while memory.ranks.count <= bank { memory.addBank(rank) }
        guard memory.ranks[bank] != rank else { return }
        memory.ranks[bank] = rank
        for layer in 0..<layers { clear(layer: layer, bank: bank) }
    }

    /// Forgets the rows of a layer, whose weights have changed.
    mutating func clear(layer: Int) {
        guard isKnownUniquelyReferenced(&memory) else {
            memory = GatePoolMemory()
            return
        }
        for bank in memory.ranks.indices { clear(layer: layer, bank: bank) }
    }

    private func clear(layer: Int, bank: Int) {
        for size in 0..<Self.sizes {
            for slot in 0..<Self.slots {
                guard let tags = tags(bank, size, slot), tags[layer] != 0 else { continue }
                memory.blocks[Self.block(bank, size, slot)].forget(tags[layer])
                tags[layer] = 0
            }
        }
    }

    /// Whether the row of a slot is that of an epoch.
    @inline(__always)
    func holds(bank: Int, size: Int, layer: Int, slot: Int, epoch: Int64) -> Bool {
        holdsAll(bank: bank, size: size, slot: slot, epoch: epoch) || tags(bank, size, slot).map { $0[layer] == Self.tag(epoch) } == true
    }

    /// Whether the rows of all layers are known to be those of an epoch.
    @inline(__always)
    func holdsAll(bank: Int, size: Int, slot: Int, epoch: Int64) -> Bool {
        let block = memory.blocks[Self.block(bank, size, slot)]
        return block.held == layers && block.tag == Self.tag(epoch)
    }

    /// Keeps a row.
    /// - Parameter order: for each place the expert whose number it gets, -1 for none; `nil` where the row is laid out.
    func store(
        _ row: UnsafePointer<Int32>, order: UnsafePointer<Int32>?, bank: Int, size: Int, layer: Int, slot: Int, epoch: Int64
    ) {
        let kind = Self.kind(size)
        if memory.chunks[bank * Self.kinds + kind] == nil {
            let tags = tagBytes(kind)
            memory.addChunk(bank * Self.kinds + kind, bytes: tags + Self.lines(kind) * layers * rowBytes(kind), tagBytes: tags)
        }
        guard let tags = tags(bank, size, slot), let target = rows(bank, size, slot).map({ $0 + layer * rowBytes(kind) }) else { return }
        let tag = Self.tag(epoch)
        memory.blocks[Self.block(bank, size, slot)].keep(tag, over: tags[layer])
        tags[layer] = tag
        if kind == 0 {
            Self.lay(row, order, experts, into: target.assumingMemoryBound(to: UInt8.self))
        } else {
            Self.lay(row, order, experts, into: target.assumingMemoryBound(to: UInt16.self))
        }
    }

    @inline(__always)
    private static func lay<Number: FixedWidthInteger>(
        _ row: UnsafePointer<Int32>, _ order: UnsafePointer<Int32>?, _ count: Int, into target: UnsafeMutablePointer<Number>
    ) {
        guard let order else {
            for place in 0..<count { target[place] = Number(truncatingIfNeeded: row[place]) }
            return
        }
        for place in 0..<count {
            let expert = Int(order[place])
            target[place] = Number(truncatingIfNeeded: row[max(expert, 0)] & ~Int32(truncatingIfNeeded: expert >> 63))
        }
    }
}

// MARK: - Adding up

extension GatePool {
    /// Overwrites `counts` with the sum of one row for each digit of `tokens`; the pool must hold them.
    @inline(__always)
    func sum(bank: Int, layer: Int, slot: Int, tokens: Int, into counts: UnsafeMutablePointer<Int32>) {
        var left = tokens
        counts.update(repeating: 0, count: experts)
        while left != 0 {
            let size = Self.takeSize(&left)
            guard let rows = rows(bank, size, slot) else { continue }
            if size < Self.narrowSizes {
                let row = (rows + layer * narrowBytes).assumingMemoryBound(to: UInt8.self)
                for expert in 0..<experts { counts[expert] &+= Int32(row[expert]) }
            } else {
                let row = (rows + layer * 2 * narrowBytes).assumingMemoryBound(to: UInt16.self)
                for expert in 0..<experts { counts[expert] &+= Int32(row[expert]) }
            }
        }
    }

    /// The same in bytes, for fewer than `narrowLimit` tokens and some layers.
    ///
    /// No sum of 8-bit rows is above 255: their sizes sum to at most that, and no token picks an expert twice.
    /// - Parameter stride: bytes from the numbers of one layer to those of the next one.
    @inline(__always)
    func sumBytes(bank: Int, layers: Range<Int>, slot: Int, tokens: Int, into bytes: UnsafeMutableRawPointer, stride: Int) {
        var left = tokens
        let first = layers.lowerBound * narrowBytes
        guard let one = rows(bank, Self.takeSize(&left), slot).map({ $0 + first }) else { return }
        let two = left == 0 ? nil : rows(bank, Self.takeSize(&left), slot).map { $0 + first }
        let three = left == 0 ? nil : rows(bank, Self.takeSize(&left), slot).map { $0 + first }
        let four = left == 0 ? nil : rows(bank, Self.takeSize(&left), slot).map { $0 + first }
        let (rowBytes, count) = (narrowBytes, experts)
        for index in 0..<layers.count {
            let (target, offset) = (bytes + index * stride, index * rowBytes)
            var place = 0
            while place < count {
                var sum = (one + offset).load(fromByteOffset: place, as: SIMD16<UInt8>.self)
                if let two { sum &+= (two + offset).load(fromByteOffset: place, as: SIMD16<UInt8>.self) }
                if let three { sum &+= (three + offset).load(fromByteOffset: place, as: SIMD16<UInt8>.self) }
                if let four { sum &+= (four + offset).load(fromByteOffset: place, as: SIMD16<UInt8>.self) }
                if count - place >= 16 {
                    target.storeBytes(of: sum, toByteOffset: place, as: SIMD16<UInt8>.self)
                } else {
                    for lane in 0..<count - place { target.storeBytes(of: sum[lane], toByteOffset: place + lane, as: UInt8.self) }
                }
                place += 16
            }
        }
    }
}

/// The memory of a pool, which is written on only by its one owner.
private final class GatePoolMemory: @unchecked Sendable {
    /// The latest rows of a rank's slot and size: their tag, and how many layers are known to have it.
    struct Block {
        private(set) var tag: UInt64 = 0
        private(set) var held = 0

        mutating func keep(_ new: UInt64, over old: UInt64) {
            if tag != new { (tag, held) = (new, 0) }
            if old != new { held += 1 }
        }

        mutating func forget(_ old: UInt64) { if old == tag { held -= 1 } }
    }

    /// By bank: the rank whose rows it holds.
    var ranks: [Int] = []
    /// By bank and kind: tags and rows.
    private(set) var chunks: [UnsafeMutableRawPointer?] = []
    /// By bank, size and slot.
    var blocks: [Block] = []

    deinit { for case let chunk? in chunks { chunk.deallocate() } }

    func addBank(_ rank: Int) {
        ranks.append(rank)
        chunks.append(contentsOf: repeatElement(nil, count: GatePool.kinds))
        blocks.append(contentsOf: repeatElement(Block(), count: GatePool.sizes * GatePool.slots))
    }

    /// Rows are not looked at before they are written, so only tags are cleared.
    func addChunk(_ place: Int, bytes: Int, tagBytes: Int) {
        let chunk = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        chunk.initializeMemory(as: UInt8.self, repeating: 0, count: tagBytes)
        chunks[place] = chunk
    }
}
