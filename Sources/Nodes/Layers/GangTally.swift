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

    /// Counts the rank's part in an iteration.
    mutating func add(_ work: RankWork) {
        shares = work.shares
        for note in work.notes where note.last >= 0 && Int(note.last) < members.count {
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
        statistics.span += shares.span
    }

    /// Counts what all ranks waited for, where one works it out and the others have no notes.
    mutating func addWaits(of board: NoteBoard) {
        statistics.count += Int64(board.waits.count)
        for wait in board.waits { statistics.waits.add(wait) }
        for member in members.indices { statistics.last[Int(members[member])] += board.last[member] }
    }

    /// Counts the time that a rank waits for the others after its own part of an iteration.
    mutating func addTail(_ time: Nanoseconds) {
        statistics.span += time
        statistics.awaitingAttention += time
    }
}

/// A rank's part in an iteration.
struct RankWork {
    /// When it was done, and what its time went into.
    var finish: Instant
    var shares: IterationShares
    /// Piece by piece; empty where the sums are enough.
    var notes: [StepNote]

    init(finish: Instant, shares: IterationShares, notes: [StepNote]) {
        self.finish = finish
        self.shares = shares
        self.notes = notes
    }

    /// - Parameter start: of the iteration.
    init(_ notes: [StepNote], start: Instant) {
        finish = notes.last?.end ?? start
        shares = IterationShares()
        for note in notes { shares.add(note) }
        self.notes = notes
    }
}

extension IterationShares {
    @inline(__always)
    mutating func add(_ note: StepNote) {
        let time = note.end - note.start
        if note.isAttention {
            attention += time
        } else {
            experts += time
            routedTokens += note.tokens
        }
        awaitingNetwork += note.awaitedNetwork
        if note.awaitsExperts { awaitingExperts += note.awaitedRank } else { awaitingAttention += note.awaitedRank }
    }

    /// All times in it.
    var span: Nanoseconds { attention + experts + awaitingAttention + awaitingExperts + awaitingNetwork }
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
