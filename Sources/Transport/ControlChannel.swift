import CSystem
import Glibc

/// An end of the conversation between a launcher and one node, wherever that is.
public protocol ControlEnd: AnyObject {
    /// Readable when a packet is there; -1 where packets of many nodes come together.
    var descriptor: Int32 { get }
    /// Sends a packet. Answers `false` when the other end is closed.
    func send(_ message: ControlMessage) throws(SystemError) -> Bool
    /// Sends a packet, or answers `nil` when the other end has so much to read that it would have to wait.
    func offer(_ message: ControlMessage) throws(SystemError) -> Bool?
    /// Takes the next packet, waiting for it a while if `waits`.
    func receive(waits: Bool) throws(SystemError) -> ControlChannel.Received
}

/// One end of the pair of sockets between a node and its launcher.
public final class ControlChannel: ControlEnd {
    /// Where a node process finds its end.
    public static let nodeDescriptor: Int32 = 3
    /// Largest packet in words: a window that goes to every node of the largest cluster.
    private static let packetLimit = 1 << 14
    /// The same in bytes.
    static let packetBytes = packetLimit * 8

    public let descriptor: Int32
    private var words: [Int64] = []
    /// Memory that the system writes packets to; what was not written is not looked at, so it need not be there.
    private let buffer = UnsafeMutableBufferPointer<Int64>.allocate(capacity: packetLimit)

    public init(descriptor: Int32) { self.descriptor = descriptor }

    deinit {
        buffer.deallocate()
        close(descriptor)
    }

    /// A connected pair; each end closes when its owner does.
    public static func pair() throws(SystemError) -> (launcher: ControlChannel, node: ControlChannel) {
        var ends: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw SystemError("socketpair", code: errno)
        }
        var size = Int32(packetLimit * 8 * 2)
        for end in ends { setsockopt(end, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size)) }
        // The launcher never waits for one node so long that it would not notice what happens to the others.
        var patience = timeval(tv_sec: 0, tv_usec: 50_000)
        setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        return (ControlChannel(descriptor: ends[0]), ControlChannel(descriptor: ends[1]))
    }

    /// Sends a packet. Answers `false` when the other end is closed.
    public func send(_ message: ControlMessage) throws(SystemError) -> Bool { try send(message, flags: 0) ?? false }

    /// Sends a packet, or answers `nil` when the other end has so much to read that it would have to wait.
    public func offer(_ message: ControlMessage) throws(SystemError) -> Bool? { try send(message, flags: Int32(MSG_DONTWAIT)) }

    private func send(_ message: ControlMessage, flags: Int32) throws(SystemError) -> Bool? {
        message.encode(into: &words)
        guard words.count <= Self.packetLimit else { throw SystemError("a control packet of \(words.count) words") }
        while true {
            let sent = words.withUnsafeBytes { CSystem.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | flags) }
            if sent >= 0 { return true }
            if errno == EPIPE || errno == ECONNRESET { return false }
            if errno == EAGAIN { return nil }
            guard errno == EINTR else { throw SystemError("send to the other end", code: errno) }
        }
    }

    /// What came of an attempt to receive.
    public enum Received: Sendable, Equatable {
        case message(ControlMessage)
        /// Nothing is there yet.
        case nothing
        /// The other end is closed.
        case closed
    }

    /// Takes the next packet, waiting for it if `waits`: for ever at a node's end, for 50 ms at the launcher's.
    public func receive(waits: Bool) throws(SystemError) -> Received {
        while true {
            let flags = waits ? 0 : Int32(MSG_DONTWAIT)
            let count = recv(descriptor, buffer.baseAddress, buffer.count * 8, flags)
            if count == 0 { return .closed }
            if count > 0 {
                guard count % 8 == 0,
                    let message = ControlMessage(decoding: UnsafeBufferPointer(rebasing: UnsafeBufferPointer(buffer)[0..<(count / 8)]))
                else { throw SystemError("a control packet of \(count) bytes that cannot be read") }
                return .message(message)
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .nothing
            case ECONNRESET: return .closed
            default: throw SystemError("receive from the other end", code: errno)
            }
        }
    }

    // MARK: - Packets as they are, for whoever passes them on

    /// Sends a packet. Answers `false` when the other end is closed, and `nil` when it has so much to read that it would have to wait.
    public func pass(_ packet: [UInt8]) throws(SystemError) -> Bool? {
        while true {
            let sent = packet.withUnsafeBytes { CSystem.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) }
            if sent >= 0 { return true }
            if errno == EPIPE || errno == ECONNRESET { return false }
            if errno == EAGAIN { return nil }
            guard errno == EINTR else { throw SystemError("send to the other end", code: errno) }
        }
    }

    /// Takes a packet that is there; `nil` when there is none.
    public func takePacket() -> [UInt8]? {
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count * 8, Int32(MSG_DONTWAIT))
            if count > 0 { return Array(UnsafeRawBufferPointer(start: buffer.baseAddress, count: count)) }
            guard count < 0, errno == EINTR else { return nil }
        }
    }
}
