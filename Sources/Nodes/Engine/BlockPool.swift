/// The cache blocks of a worker. Blocks are alike, so holding them is a matter of counting; who holds how many is the requests'.
struct BlockPool: Sendable {
    /// Tokens in a block.
    let blockSize: Int64
    /// Blocks that exist.
    let total: Int64
    /// Blocks that nobody holds.
    private(set) var free: Int64
    /// The most that were held at once.
    private(set) var peak: Int64 = 0

    init(blockSize: Int64, total: Int64) {
        self.blockSize = blockSize
        self.total = total
        free = total
    }

    /// Blocks held.
    var used: Int64 { total - free }

    /// Blocks that `tokens` tokens take.
    @inline(__always)
    func blocks(for tokens: Int64) -> Int64 { (tokens + blockSize - 1) / blockSize }

    /// Takes `count` blocks, or none and answers `false`.
    @inline(__always)
    mutating func take(_ count: Int64) -> Bool {
        guard count <= free else { return false }
        free -= count
        if used > peak { peak = used }
        return true
    }

    /// Gives `count` blocks back.
    @inline(__always)
    mutating func give(_ count: Int64) {
        free += count
        precondition(free <= total, "more cache blocks given back than taken: \(free) of \(total) free")
    }
}
