/// The order of events at one node: time, then source, then the source's own sequence number.
///
/// The key holds nothing that depends on the host, so any process that holds the same events handles them in the same order.
@frozen
public struct EventKey: Comparable, Sendable {
    /// When it happens.
    public var time: Instant
    /// Index of the node that caused it.
    public var source: Int32
    /// Number of the event among those of its source.
    public var sequence: UInt32

    @inlinable
    public init(time: Instant, source: Int32, sequence: UInt32) {
        self.time = time
        self.source = source
        self.sequence = sequence
    }

    @inlinable @inline(__always)
    public static func < (left: EventKey, right: EventKey) -> Bool {
        if left.time != right.time { return left.time < right.time }
        if left.source != right.source { return left.source < right.source }
        return left.sequence < right.sequence
    }
}

/// A queue of events, earliest first: a four-way heap of small keys over a slab of payloads that never move.
@frozen
public struct EventHeap<Payload>: ~Copyable {
    @usableFromInline
    struct Entry {
        @usableFromInline var key: EventKey
        @usableFromInline var slot: Int32

        @inlinable
        init(key: EventKey, slot: Int32) {
            self.key = key
            self.slot = slot
        }
    }

    @usableFromInline var entries: [Entry] = []
    @usableFromInline let slab = Slab()
    @usableFromInline var freeSlots: [Int32] = []

    /// Memory for payloads, initialised where a slot is in use. An array of optionals would copy and count references at each move.
    @usableFromInline
    final class Slab {
        @usableFromInline var memory: UnsafeMutablePointer<Payload> = .allocate(capacity: 16)
        @usableFromInline var capacity = 16
        /// Slots that were ever in use.
        @usableFromInline var count = 0

        @inlinable
        init() {}

        @inlinable
        deinit { memory.deallocate() }

        @inlinable
        func grow() {
            let larger = UnsafeMutablePointer<Payload>.allocate(capacity: 2 * capacity)
            // Called when every slot is in use.
            larger.moveInitialize(from: memory, count: count)
            memory.deallocate()
            memory = larger
            capacity *= 2
        }
    }

    @inlinable
    public init() {}

    @inlinable
    deinit {
        for entry in entries { (slab.memory + Int(entry.slot)).deinitialize(count: 1) }
    }

    /// Number of events held.
    @inlinable public var count: Int { entries.count }

    /// Whether no event is held.
    @inlinable public var isEmpty: Bool { entries.isEmpty }

    /// The earliest event's key.
    @inlinable public var first: EventKey? { entries.first?.key }

    /// The earliest event's time, or `Instant.never`.
    @inlinable public var firstTime: Instant { entries.isEmpty ? .never : entries[0].key.time }

    /// Adds an event. O(log n), no allocation once the heap has had this size.
    @inlinable
    public mutating func push(_ payload: consuming Payload, at key: EventKey) {
        let slot: Int32
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            if slab.count == slab.capacity { slab.grow() }
            slot = Int32(slab.count)
            slab.count += 1
        }
        (slab.memory + Int(slot)).initialize(to: payload)
        entries.append(Entry(key: key, slot: slot))
        siftUp(entries.count - 1)
    }

    /// Takes the earliest event out.
    @inlinable
    public mutating func pop() -> (key: EventKey, payload: Payload)? {
        guard let top = entries.first else { return nil }
        let last = entries.removeLast()
        if !entries.isEmpty {
            entries[0] = last
            siftDown()
        }
        freeSlots.append(top.slot)
        return (top.key, (slab.memory + Int(top.slot)).move())
    }

    /// Calls `body` with every event held, in no particular order.
    @inlinable
    public func forEach(_ body: (EventKey, Payload) -> Void) {
        for entry in entries {
            body(entry.key, slab.memory[Int(entry.slot)])
        }
    }

    @inlinable
    mutating func siftUp(_ start: Int) {
        entries.withUnsafeMutableBufferPointer { heap in
            var index = start
            let moving = heap[index]
            while index > 0 {
                let parent = (index - 1) >> 2
                guard moving.key < heap[parent].key else { break }
                heap[index] = heap[parent]
                index = parent
            }
            heap[index] = moving
        }
    }

    @inlinable
    mutating func siftDown() {
        entries.withUnsafeMutableBufferPointer { heap in
            let count = heap.count
            let moving = heap[0]
            var index = 0
            while true {
                let firstChild = (index << 2) + 1
                guard firstChild < count else { break }
                var least = firstChild
                let end = min(firstChild + 4, count)
                var child = firstChild + 1
                while child < end {
                    if heap[child].key < heap[least].key { least = child }
                    child += 1
                }
                guard heap[least].key < moving.key else { break }
                heap[index] = heap[least]
                index = least
            }
            heap[index] = moving
        }
    }
}
