import Quantities
import Records

/// Memory of a gang's evaluator, for values without references only: it is gone through for every rank, layer and micro-batch, where arrays would be checked for other
/// owners at every access.
final class LayerMemory {
    private var blocks: [UnsafeMutableRawPointer] = []

    /// Room for some values, which lasts as long as this does.
    func take<Value>(_ count: Int, _ value: Value) -> UnsafeMutableBufferPointer<Value> {
        let room = UnsafeMutableBufferPointer<Value>.allocate(capacity: max(1, count))
        room.initialize(repeating: value)
        if let base = room.baseAddress { blocks.append(UnsafeMutableRawPointer(base)) }
        return UnsafeMutableBufferPointer(rebasing: room[0..<count])
    }

    deinit { for block in blocks { block.deallocate() } }
}

/// What the members of a gang did in an iteration: sums always, and each piece in order where somebody asks for it.
struct NoteBoard {
    private let room: Int
    private let notes: UnsafeMutableBufferPointer<StepNote>
    private let counts: UnsafeMutableBufferPointer<Int>
    private let keeps: UnsafeMutableBufferPointer<Bool>
    /// What the time of each member went into.
    let shares: UnsafeMutableBufferPointer<IterationShares>
    /// By member: how often its message was the last of those awaited.
    let last: UnsafeMutableBufferPointer<Int64>
    private let allWaits: UnsafeMutableBufferPointer<Nanoseconds>
    private let waitCount: UnsafeMutableBufferPointer<Int>

    /// - Parameter room: for notes of a member in an iteration.
    init(members: Int, room: Int, in memory: LayerMemory) {
        self.room = room
        notes = memory.take(members * room, StepNote(isAttention: true, step: 0, start: 0, end: 0))
        counts = memory.take(members, 0)
        keeps = memory.take(1, true)
        shares = memory.take(members, IterationShares())
        last = memory.take(members, 0)
        allWaits = memory.take(members * room, 0)
        waitCount = memory.take(1, 0)
    }

    /// Forgets all.
    /// - Parameter keepsNotes: whether each piece will be asked for.
    func clear(keepsNotes: Bool) {
        counts.update(repeating: 0)
        shares.update(repeating: IterationShares())
        last.update(repeating: 0)
        waitCount[0] = 0
        keeps[0] = keepsNotes
    }

    /// How long members waited, for each set of messages that one of them did wait for.
    var waits: UnsafeMutableBufferPointer<Nanoseconds> { UnsafeMutableBufferPointer(rebasing: allWaits[0..<waitCount[0]]) }

    @inline(__always)
    func append(_ note: StepNote, of member: Int) {
        shares[member].add(note)
        if note.last >= 0, waitCount[0] < allWaits.count {
            allWaits[waitCount[0]] = note.awaitedRank + note.awaitedNetwork
            waitCount[0] += 1
            last[Int(note.last)] += 1
        }
        guard keeps[0] else { return }
        let count = counts[member]
        guard count < room else { return }
        notes[member * room + count] = note
        counts[member] = count + 1
    }

    /// The notes of a member.
    subscript(member: Int) -> [StepNote] { Array(notes[member * room..<member * room + counts[member]]) }
}
