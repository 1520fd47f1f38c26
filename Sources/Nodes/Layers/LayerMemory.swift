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

/// What each member of a gang did, in the order in which it did it.
struct NoteBoard {
    private var room: Int
    private var notes: UnsafeMutableBufferPointer<StepNote>
    private let counts: UnsafeMutableBufferPointer<Int>

    /// - Parameter room: for notes of a member in an iteration.
    init(members: Int, room: Int, in memory: LayerMemory) {
        self.room = room
        notes = memory.take(members * room, StepNote(isAttention: true, step: 0, start: 0, end: 0))
        counts = memory.take(members, 0)
    }

    func clear() { counts.update(repeating: 0) }

    @inline(__always)
    func append(_ note: StepNote, of member: Int) {
        let count = counts[member]
        guard count < room else { return }
        notes[member * room + count] = note
        counts[member] = count + 1
    }

    /// The notes of a member.
    subscript(member: Int) -> [StepNote] { Array(notes[member * room..<member * room + counts[member]]) }
}
