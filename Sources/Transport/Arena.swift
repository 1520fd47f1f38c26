import CProtobufC
import CWire

/// Memory for one frame's C structures: taken piece by piece, given back all at once, so that packing and unpacking cost no
/// allocation once the arena has had the size of the largest frame.
final class Arena {
    /// What is left of the chunk that pieces are taken of. Apart from the arena, so that protobuf-c gets a piece without counting references.
    fileprivate struct Cursor {
        var next: UnsafeMutableRawPointer?
        var left = 0
        var arena: Unmanaged<Arena>?

        /// A piece of the chunk; `nil` where it does not fit.
        @inline(__always)
        mutating func take(_ size: Int) -> UnsafeMutableRawPointer? {
            guard size >= 0, size <= left else { return nil }
            let rounded = (max(size, 1) + 15) & ~15
            guard rounded <= left, let piece = next else { return nil }
            next = piece + rounded
            left -= rounded
            return piece
        }
    }

    fileprivate let cursor = UnsafeMutablePointer<Cursor>.allocate(capacity: 1)
    private var chunks: [UnsafeMutableRawBufferPointer] = []
    private var current = -1
    /// Bytes of the chunks up to the current one.
    private var entered = 0
    /// Bytes that one frame may take: a hostile frame ends here instead of in the machine's memory.
    private let limit: Int

    init(limit: Int = 256 << 20) {
        self.limit = limit
        cursor.initialize(to: Cursor())
        cursor.pointee.arena = .passUnretained(self)
    }

    deinit {
        for chunk in chunks { chunk.deallocate() }
        cursor.deallocate()
    }

    /// Forgets everything that was taken.
    func reset() {
        current = -1
        entered = 0
        cursor.pointee.left = 0
        if !chunks.isEmpty { enter(0) }
    }

    /// Zeroed by nobody; aligned for any C structure; `nil` beyond the limit.
    @inline(__always)
    func take(_ size: Int) -> UnsafeMutableRawPointer? { cursor.pointee.take(size) ?? takeElsewhere(size) }

    /// A piece of the next chunk that has room for it.
    @inline(never)
    fileprivate func takeElsewhere(_ size: Int) -> UnsafeMutableRawPointer? {
        guard size >= 0, size <= limit else { return nil }
        while current + 1 < chunks.count {
            enter(current + 1)
            if let piece = cursor.pointee.take(size) { return piece }
        }
        let rounded = (max(size, 1) + 15) & ~15
        guard rounded <= limit - entered else { return nil }
        chunks.append(.allocate(byteCount: min(max(rounded, 64 << 10), limit - entered), alignment: 16))
        enter(chunks.count - 1)
        return cursor.pointee.take(size)
    }

    private func enter(_ chunk: Int) {
        current = chunk
        entered += chunks[chunk].count
        cursor.pointee.next = chunks[chunk].baseAddress
        cursor.pointee.left = chunks[chunk].count
    }

    /// A structure of its own, as the function that protobuf-c made for it initialises it.
    @inline(__always)
    func make<Value>(_ initialize: (UnsafeMutablePointer<Value>?) -> Void) -> UnsafeMutablePointer<Value>? {
        guard let made = take(MemoryLayout<Value>.size)?.bindMemory(to: Value.self, capacity: 1) else { return nil }
        initialize(made)
        return made
    }

    /// An array of its own.
    func array<Value>(_ type: Value.Type, count: Int) -> UnsafeMutablePointer<Value>? {
        take(MemoryLayout<Value>.stride * count)?.bindMemory(to: type, capacity: count)
    }

    /// The arena as protobuf-c's allocator. The arena must outlive its use.
    func allocator() -> ProtobufCAllocator {
        ProtobufCAllocator(alloc: arenaAllocate, free: arenaFree, allocator_data: UnsafeMutableRawPointer(cursor))
    }
}

private func arenaAllocate(_ data: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer? {
    guard let cursor = data?.assumingMemoryBound(to: Arena.Cursor.self) else { return nil }
    return cursor.pointee.take(size) ?? cursor.pointee.arena?.takeUnretainedValue().takeElsewhere(size)
}

private func arenaFree(_ data: UnsafeMutableRawPointer?, _ pointer: UnsafeMutableRawPointer?) {}
