import Nodes
import Quantities
import Records

/// Notes and parts of sheets as numbers in a row, in the order that testbed.proto tells.
enum LayerWords {
    static let perPart = 5
    static let perNote = 8
    static let perShares = 6
    /// Lengths of time (up to 19 hours), numbers of tokens and the like, and the bytes of one message: bounded, so that sums over the steps and
    /// ranks of an iteration are numbers too.
    static let spans: ClosedRange<Nanoseconds> = 0...(1 << 46)
    static let sizes: ClosedRange<Int64> = 0...(1 << 32)
    /// Pairs of token and expert of a rank in all steps of an iteration.
    static let tokens: ClosedRange<Int64> = 0...(1 << 47)
    static let bytes: ClosedRange<ByteCount> = 0...(1 << 47)
    /// How often the members of a gang may change; iterations are numbered within an epoch.
    static let epochs: ClosedRange<Int32> = 0...(1 << 20)
    static let iterations: ClosedRange<Int64> = 0...(1 << 44)
    /// Members that a gang may have, -1 for none; and steps of an iteration.
    static let members: Range<Int32> = -1..<(1 << 20)
    static let steps: Range<Int64> = 0..<(1 << 24)

    static func write(_ part: LoadSheet.Part, to words: UnsafeMutablePointer<Int64>) {
        words[0] = part.tokens
        words[1] = part.attention
        words[2] = part.dense
        words[3] = part.shared
        words[4] = part.head
    }

    /// `nil` for numbers that no part has.
    static func part(_ words: UnsafePointer<Int64>) -> LoadSheet.Part? {
        guard sizes.contains(words[0]), spans.contains(words[1]), spans.contains(words[2]), spans.contains(words[3]), spans.contains(words[4])
        else { return nil }
        return LoadSheet.Part(tokens: words[0], attention: words[1], dense: words[2], shared: words[3], head: words[4])
    }

    static func write(_ shares: IterationShares, to words: UnsafeMutablePointer<Int64>) {
        words[0] = shares.attention
        words[1] = shares.experts
        words[2] = shares.awaitingAttention
        words[3] = shares.awaitingExperts
        words[4] = shares.awaitingNetwork
        words[5] = shares.routedTokens
    }

    /// `nil` for numbers that no shares have.
    static func shares(_ words: UnsafePointer<Int64>) -> IterationShares? {
        guard (0..<5).allSatisfy({ spans.contains(words[$0]) }), tokens.contains(words[5]) else { return nil }
        var shares = IterationShares()
        shares.attention = words[0]
        shares.experts = words[1]
        shares.awaitingAttention = words[2]
        shares.awaitingExperts = words[3]
        shares.awaitingNetwork = words[4]
        shares.routedTokens = words[5]
        return shares
    }

    /// - Parameter start: of the iteration.
    static func write(_ note: StepNote, of start: Instant, to words: UnsafeMutablePointer<Int64>) {
        words[0] = Int64(note.step) << 2 | (note.isAttention ? 2 : 0) | (note.awaitsExperts ? 1 : 0)
        words[1] = note.start &- start
        words[2] = note.end &- note.start
        words[3] = note.tokens
        words[4] = Int64(note.distinct)
        words[5] = Int64(note.last) + 1
        words[6] = note.awaitedRank
        words[7] = note.awaitedNetwork
    }

    /// `nil` for numbers that no note has.
    /// - Parameters:
    ///   - start: of the iteration.
    ///   - times: what the times of a note may be.
    static func note(_ words: UnsafePointer<Int64>, of start: Instant, times: ClosedRange<Instant>) -> StepNote? {
        // Whatever wraps around is looked at afterwards.
        let begin = start &+ words[1]
        guard steps.contains(words[0] >> 2), times.contains(begin), spans.contains(words[2]), times.contains(begin + words[2]),
            sizes.contains(words[3]), let distinct = Int32(exactly: words[4]), distinct >= 0, let next = Int32(exactly: words[5]),
            next >= 0, members.contains(next - 1), spans.contains(words[6]), spans.contains(words[7])
        else { return nil }
        return StepNote(
            isAttention: words[0] & 2 != 0, step: Int32(words[0] >> 2), start: begin, end: begin + words[2], tokens: words[3], distinct: distinct,
            last: next - 1, awaitsExperts: words[0] & 1 != 0, awaitedRank: words[6], awaitedNetwork: words[7])
    }
}
