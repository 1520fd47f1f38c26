import CSystem
import CZMQ

/// A host's end of one seat: a connection to the launcher under the node's key.
public final class SeatLine {
    /// Ends after the socket.
    private let context: SeatContext
    private var socket: SecureSocket?
    private var part = zmq_msg_t()

    /// Milliseconds that a launcher may take nothing.
    private static let sendPatience: Int32 = 10_000

    /// Connects, as soon as the launcher is there.
    public init(_ context: SeatContext, to endpoint: String, keys: CurveKeys, launcher: String) throws(SystemError) {
        self.context = context
        let socket = try SecureSocket(context.raw, type: ZMQ_DEALER)
        self.socket = socket
        zmq_msg_init(&part)
        try SecureSocket.guardAsClient(socket.raw, keys, server: launcher)
        try socket.set(ZMQ_LINGER, to: 2000)
        try socket.set(ZMQ_SNDHWM, to: 4096)
        // Whose key is turned away has nobody to send to, and libzmq does not try again.
        try socket.set(ZMQ_SNDTIMEO, to: Self.sendPatience)
        try socket.set(ZMQ_RECONNECT_IVL, to: 100)
        guard zmq_connect(socket.raw, endpoint) == 0 else { throw SystemError("connect to \(endpoint)", code: zmq_errno()) }
    }

    deinit {
        zmq_msg_close(&part)
        socket = nil
    }

    /// Tells the launcher something.
    public func send(_ report: SeatReport) throws(SystemError) {
        guard try socket?.send(report.bytes) == true else {
            throw SystemError("the launcher takes nothing: it is gone, or the keys are not those of its run")
        }
    }

    /// What came of an attempt to receive.
    public enum Received: Sendable, Equatable {
        case order(SeatOrder)
        case nothing
        /// Something that cannot be read.
        case unreadable
    }

    /// Takes what is there.
    public func receive() throws(SystemError) -> Received {
        guard let socket, try socket.receive(into: &part) else { return .nothing }
        let bytes = Array(contents(of: &part))
        var isWhole = true
        while zmq_msg_more(&part) != 0, try socket.receive(into: &part) { isWhole = false }
        guard isWhole, let order = SeatOrder(reading: bytes[...]) else { return .unreadable }
        return .order(order)
    }

    /// Waits until something is there for a line, or a descriptor is readable; so many milliseconds at the most.
    public static func wait(for lines: [SeatLine], or descriptors: [Int32], milliseconds: Int) {
        var items = lines.map { zmq_pollitem_t(socket: $0.socket?.raw, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0) }
        items += descriptors.map { zmq_pollitem_t(socket: nil, fd: $0, events: Int16(ZMQ_POLLIN), revents: 0) }
        zmq_poll(&items, Int32(items.count), milliseconds)
    }
}

/// What lines share. Its end waits until what they have said has left, for two seconds at the most; the lines end before.
public final class SeatContext {
    let raw: UnsafeMutableRawPointer

    public init(lines: Int) throws(SystemError) {
        guard let context = zmq_ctx_new() else { throw SystemError("zmq_ctx_new", code: zmq_errno()) }
        raw = context
        zmq_ctx_set(context, ZMQ_MAX_SOCKETS, Int32(clamping: lines + 16))
    }

    deinit { zmq_ctx_term(raw) }
}
