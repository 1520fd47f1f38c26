import CProtobufC
import CWire

/// Memory for one frame's C structures: taken piece by piece, given back all at once, so that packing and unpacking cost no
/// allocation once the arena has had the size of the largest frame.
final class Arena {
    private var chunks: [UnsafeMutableRawBufferPointer] = []
    private var current = 0
    private var used = 0
    private var taken = 0
    /// Bytes that one frame may take: a hostile frame ends here instead of in the machine's memory.
    private let limit: Int

    init(limit: Int = 256 << 20) { self.limit = limit }

    deinit { for chunk in chunks { chunk.deallocate() } }

    /// Forgets everything that was taken.
    func reset() {
        current = 0
        used = 0
        taken = 0
    }

    /// Zeroed by nobody; aligned for any C structure; `nil` beyond the limit.
    func take(_ size: Int) -> UnsafeMutableRawPointer? {
        guard size >= 0, size <= limit else { return nil }
        let rounded = (max(size, 1) + 15) & ~15
        guard rounded <= limit - taken else { return nil }
        taken += rounded
        while current < chunks.count {
            if chunks[current].count - used >= rounded {
                defer { used += rounded }
                return chunks[current].baseAddress.map { $0 + used }
            }
            current += 1
            used = 0
        }
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: max(rounded, 64 << 10), alignment: 16)
        chunks.append(chunk)
        used = rounded
        return chunk.baseAddress
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
        ProtobufCAllocator(alloc: arenaAllocate, free: arenaFree, allocator_data: Unmanaged.passUnretained(self).toOpaque())
    }
}

private func arenaAllocate(_ data: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer? {
    guard let data else { return nil }
    return Unmanaged<Arena>.fromOpaque(data).takeUnretainedValue().take(size)
}

private func arenaFree(_ data: UnsafeMutableRawPointer?, _ pointer: UnsafeMutableRawPointer?) {}
