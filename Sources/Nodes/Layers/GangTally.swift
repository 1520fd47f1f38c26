import Models
import Quantities
import Records

/// Adds up what a rank did and waited for.
struct GangTally {
    private let members: [Int32]
    var statistics = BarrierStatistics()
    /// Of the iteration that was counted last.
    private(set) var shares = IterationShares()

    init(_ shape: GangShape, nodes: Int) {
        members = shape.members
        statistics.last = Array(repeating: 0, count: nodes)
    }

    /// Counts an iteration of which the rank did `notes`.
    mutating func add(_ notes: [StepNote]) {
        shares = IterationShares()
        for note in notes {
            let time = note.end - note.start
            if note.isAttention {
                shares.attention += time
            } else {
                shares.experts += time
                shares.routedTokens += note.tokens
            }
            shares.awaitingNetwork += note.awaitedNetwork
            if note.awaitsExperts { shares.awaitingExperts += note.awaitedRank } else { shares.awaitingAttention += note.awaitedRank }
            guard note.last >= 0, Int(note.last) < members.count else { continue }
            statistics.count += 1
            statistics.waits.add(note.awaitedRank + note.awaitedNetwork)
            statistics.last[Int(members[Int(note.last)])] += 1
        }
        statistics.attention += shares.attention
        statistics.experts += shares.experts
        statistics.awaitingAttention += shares.awaitingAttention
        statistics.awaitingExperts += shares.awaitingExperts
        statistics.awaitingNetwork += shares.awaitingNetwork
        statistics.routedTokens += shares.routedTokens
        statistics.span += shares.attention + shares.experts + shares.awaitingAttention + shares.awaitingExperts + shares.awaitingNetwork
    }

    /// Counts the time that a rank waits for the others after its own part of an iteration.
    mutating func addTail(_ time: Nanoseconds) {
        statistics.span += time
        statistics.awaitingAttention += time
    }
}

extension LayerRow {
    /// A note as a row.
    init(_ note: StepNote, iteration: Int64, _ shape: GangShape) {
        self.init(
            iteration: iteration, layer: Int64(note.step) / Int64(shape.microBatches), microBatch: Int64(note.step) % Int64(shape.microBatches),
            isAttention: note.isAttention)
        start = note.start
        end = note.end
        tokens = note.tokens
        distinct = Int64(note.distinct)
        awaitedRank = note.awaitedRank
        awaitedNetwork = note.awaitedNetwork
        last = note.last >= 0 && Int(note.last) < shape.members.count ? Int64(shape.members[Int(note.last)]) : -1
    }
}
