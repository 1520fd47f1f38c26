import CHints

/// Rows of numbers by expert, each drawn for a fixed number of tokens, from which batches are put together.
///
/// A batch is made of one row for each digit of its number of tokens in base 4: sizes are 1, 2, 3, 4, 8, 12, 16 ... 49152. Only a cache: what a
/// row holds is a function of its key, so that it may be lost and drawn again at any time. By rank, layer and size there are `slots` rows: of 8-bit
/// numbers for sizes up to 192 tokens, of 16-bit ones above. Memory is taken for a rank when it is first used, 25.6 KB a layer for all the smaller
/// sizes and 256 experts; and 5.1 KB a layer for each larger size when that is.
struct GatePool: Sendable {
    /// Tokens below which a number has a row for each of its digits.
    static let tokenLimit = 1 << 16
    private static let sizes = 24
    /// How many of the sizes have 8-bit numbers; those of a slot lie side by side.
    private static let narrowSizes = 12
    static let narrowLimit = 256
    static let slotBits = 3
    /// Rows of one size that a rank has at a time in a layer.
    static let slots = 1 << slotBits
    /// Ranks that hold rows at a time; one more takes the place of another.
    static let banks = 256
    /// Words of the tags before a slot's rows, two cache lines.
    private static let tagWords = 16
    /// The narrow sizes together, and each wide one.
    private static let kinds = 1 + sizes - narrowSizes

    /// Numbers in a row: one for each expert, or for each place that they are laid out in.
    let experts: Int
    let layers: Int
    /// Words of a narrow row, in whole vectors; a wide one takes twice as many.
    private let narrowWords: Int

    /// By bank: the rank whose rows it holds.
    private var ranks: [Int] = []
    /// By bank and kind: the first word, or -1 where there is none.
    private var starts: [Int] = []
    /// By layer and slot: tags by size, 0 for a row that is not there, and the rows.
    private var words: [UInt64] = []
    private var narrowSum: [SIMD16<UInt8>]

    /// - Parameter ranks: to be expected; there is room for them at once, which takes no memory before it is used.
    init(experts: Int, layers: Int, ranks: Int) {
        self.experts = experts
        self.layers = layers
        narrowWords = (experts + 15) / 16 * 2
        narrowSum = [SIMD16<UInt8>](repeating: .zero, count: narrowWords / 2)
        words.reserveCapacity(min(ranks, Self.banks) * layers * Self.slots * slotWords(0))
        let room = words.capacity * MemoryLayout<UInt64>.stride
        words.withUnsafeBytes { testbed_prefer_large_pages($0.baseAddress, room) }
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
    private func slotWords(_ kind: Int) -> Int { Self.tagWords + (kind == 0 ? Self.narrowSizes : 2) * narrowWords }

    @inline(__always)
    private static func tag(_ epoch: Int64) -> UInt64 { UInt64(bitPattern: epoch) << 1 | 1 }

    /// The word of a row's tag, or -1 where there is no room for the row yet, and that of the row.
    @inline(__always)
    private func place(bank: Int, size: Int, layer: Int, slot: Int) -> (tag: Int, row: Int) {
        let kind = Self.kind(size)
        let start = starts[bank * Self.kinds + kind]
        guard start >= 0 else { return (-1, -1) }
        let first = start + (layer * Self.slots + slot) * slotWords(kind)
        return kind == 0 ? (first + size, first + Self.tagWords + size * narrowWords) : (first, first + Self.tagWords)
    }

    // MARK: - Keeping

    /// The place of a rank's rows, which are empty if another rank had it.
    @inline(__always)
    mutating func bank(of rank: Int) -> Int {
        let bank = Int(UInt(bitPattern: rank) % UInt(Self.banks))
        if bank >= ranks.count || ranks[bank] != rank { takeBank(bank, rank) }
        return bank
    }

    @inline(never)
    private mutating func takeBank(_ bank: Int, _ rank: Int) {
        while ranks.count <= bank {
            ranks.append(rank)
            starts.append(contentsOf: repeatElement(-1, count: Self.kinds))
        }
        guard ranks[bank] != rank else { return }
        ranks[bank] = rank
        for layer in 0..<layers { clear(layer: layer, bank: bank) }
    }

    /// Forgets the rows of a layer, whose weights have changed.
    mutating func clear(layer: Int) {
        for bank in ranks.indices { clear(layer: layer, bank: bank) }
    }

    private mutating func clear(layer: Int, bank: Int) {
        for size in 0..<Self.sizes {
            for slot in 0..<Self.slots {
                let tag = place(bank: bank, size: size, layer: layer, slot: slot).tag
                if tag >= 0 { words[tag] = 0 }
            }
        }
    }

    /// Whether the row of a slot is that of an epoch.
    @inline(__always)
    func holds(bank: Int, size: Int, layer: Int, slot: Int, epoch: Int64) -> Bool {
        let tag = place(bank: bank, size: size, layer: layer, slot: slot).tag
        return tag >= 0 && words[tag] == Self.tag(epoch)
    }

    /// Keeps a row.
    mutating func store(_ row: UnsafePointer<Int32>, bank: Int, size: Int, layer: Int, slot: Int, epoch: Int64) {
        let kind = Self.kind(size)
        if starts[bank * Self.kinds + kind] < 0 {
            starts[bank * Self.kinds + kind] = words.count
            let added = layers * Self.slots * slotWords(kind)
            words.append(contentsOf: repeatElement(0, count: added))
        }
        let place = place(bank: bank, size: size, layer: layer, slot: slot)
        words[place.tag] = Self.tag(epoch)
        let experts = experts
        words.withUnsafeMutableBytes { raw in
            guard let target = raw.baseAddress.map({ $0 + place.row * 8 }) else { return }
            if kind == 0 {
                let bytes = target.assumingMemoryBound(to: UInt8.self)
                for expert in 0..<experts { bytes[expert] = UInt8(truncatingIfNeeded: row[expert]) }
            } else {
                let numbers = target.assumingMemoryBound(to: UInt16.self)
                for expert in 0..<experts { numbers[expert] = UInt16(truncatingIfNeeded: row[expert]) }
            }
        }
    }

    // MARK: - Adding up

    /// Overwrites `counts` with the sum of one row for each digit of `tokens`; the pool must hold them.
    @inline(__always)
    mutating func sum(bank: Int, layer: Int, slot: Int, tokens: Int, into counts: UnsafeMutablePointer<Int32>) {
        var narrow = tokens & (Self.narrowLimit - 1)
        var wide = tokens - narrow
        if narrow == 0 {
            counts.update(repeating: 0, count: experts)
        } else {
            let first = place(bank: bank, size: Self.takeSize(&narrow), layer: layer, slot: slot).row * 8
            if narrow == 0 {
                words.withUnsafeBytes { Self.widen($0, from: first, experts, into: counts) }
            } else {
                sumNarrow(bank: bank, layer: layer, slot: slot, first: first, left: narrow)
                narrowSum.withUnsafeBytes { Self.widen($0, from: 0, experts, into: counts) }
            }
        }
        while wide != 0 {
            let start = place(bank: bank, size: Self.takeSize(&wide), layer: layer, slot: slot).row * 8
            words.withUnsafeBytes { raw in
                guard let row = raw.baseAddress.map({ $0 + start })?.assumingMemoryBound(to: UInt16.self) else { return }
                for expert in 0..<experts { counts[expert] &+= Int32(row[expert]) }
            }
        }
    }

    /// The same in bytes, for fewer than `narrowLimit` tokens.
    @inline(__always)
    mutating func sumBytes(bank: Int, layer: Int, slot: Int, tokens: Int, into bytes: UnsafeMutablePointer<UInt8>) {
        var left = tokens
        let first = place(bank: bank, size: Self.takeSize(&left), layer: layer, slot: slot).row * 8
        if left != 0 { sumNarrow(bank: bank, layer: layer, slot: slot, first: first, left: left) }
        let experts = experts
        let isSummed = left != 0
        words.withUnsafeBytes { rows in
            narrowSum.withUnsafeBytes { sums in
                guard let source = isSummed ? sums.baseAddress : rows.baseAddress.map({ $0 + first }) else { return }
                UnsafeMutableRawPointer(bytes).copyMemory(from: source, byteCount: experts)
            }
        }
    }

    @inline(__always)
    private static func widen(_ raw: UnsafeRawBufferPointer, from start: Int, _ experts: Int, into counts: UnsafeMutablePointer<Int32>) {
        guard let row = raw.baseAddress.map({ $0 + start })?.assumingMemoryBound(to: UInt8.self) else { return }
        for expert in 0..<experts { counts[expert] = Int32(row[expert]) }
    }

    /// No sum of 8-bit rows is above 255: their sizes sum to at most that, and no token picks an expert twice.
    @inline(__always)
    private mutating func sumNarrow(bank: Int, layer: Int, slot: Int, first: Int, left: Int) {
        var left = left
        let (vectors, rows) = (narrowWords / 2, place(bank: bank, size: 0, layer: layer, slot: slot).row * 8)
        words.withUnsafeBytes { raw in
            narrowSum.withUnsafeMutableBufferPointer { sums in
                guard let base = raw.baseAddress, let sums = sums.baseAddress else { return }
                // Two rows at first, then the sum so far and one more.
                var one = base + first
                while left != 0 {
                    let other = base + rows + Self.takeSize(&left) * vectors * 16
                    for vector in 0..<vectors {
                        sums[vector] =
                            one.loadUnaligned(fromByteOffset: vector * 16, as: SIMD16<UInt8>.self)
                            &+ other.loadUnaligned(fromByteOffset: vector * 16, as: SIMD16<UInt8>.self)
                    }
                    one = UnsafeRawPointer(sums)
                }
            }
        }
    }
}
