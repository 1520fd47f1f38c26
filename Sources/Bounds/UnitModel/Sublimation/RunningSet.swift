/// The requests under way, as far as memory is concerned: for each number of rounds left, how many there are and what they hold together.
///
/// Two sets of requests with the same numbers leave the same room in every round to come, so that they need not be told apart. Numbers are packed into
/// 32 bits each: rounds left, tokens, requests, from high to low; the most rounds left first.
struct RunningSet: Equatable, Sendable {
    /// Different numbers of rounds left that fit.
    static let places = 16
    /// Largest memory, and number of requests under way, that it can count.
    static let tokenLimit = 2_047
    static let requestLimit = 255

    private(set) var entries: SIMD16<UInt32> = .zero

    /// Whether one more kind may not fit.
    var isFull: Bool { entries[Self.places - 1] != 0 }

    /// Requests in all.
    var requests: Int {
        let counts = entries & 0xFF
        return Int(counts.wrappedSum())
    }

    /// Tokens in memory at the end of the next round.
    var nextUsage: Int { Int((((entries &>> 8) & 0xFFF) &+ (entries & 0xFF)).wrappedSum()) }

    /// With a request that starts now; `nil` where memory would not suffice at some end. Must not be full.
    func adding(_ request: UnitRequest, memory: Int) -> RunningSet? {
        var result = self
        let new = UInt32(request.output)
        var place = 0
        while place < Self.places, entries[place] >> 20 > new { place += 1 }
        if entries[place] >> 20 == new {
            result.entries[place] &+= UInt32(request.prompt) << 8 &+ 1
        } else {
            var moved = new << 20 | UInt32(request.prompt) << 8 | 1
            while moved != 0, place < Self.places {
                (result.entries[place], moved) = (moved, result.entries[place])
                place += 1
            }
        }
        return result.fits(memory) ? result : nil
    }

    /// Memory is fullest at ends.
    private func fits(_ memory: Int) -> Bool {
        var (tokens, requests) = (0, 0)
        for place in 0..<Self.places {
            let entry = entries[place]
            if entry == 0 { break }
            tokens += Int(entry >> 8 & 0xFFF)
            requests += Int(entry & 0xFF)
            if tokens + requests * Int(entry >> 20) > memory { return false }
        }
        return true
    }

    /// A round later.
    func advanced() -> RunningSet {
        var result = self
        let grown = entries &- (1 << 20) &+ ((entries & 0xFF) &<< 8)
        result.entries = grown.replacing(with: 0, where: entries .< (2 << 20))
        return result
    }

    /// A mixture of all bits.
    var mixed: UInt64 {
        let words = unsafeBitCast(entries, to: SIMD8<UInt64>.self)
        var value: UInt64 = 0
        for place in 0..<8 {
            value = (value ^ words[place]) &* 0x9E37_79B9_7F4A_7C15
            value ^= value >> 29
        }
        return value
    }
}
