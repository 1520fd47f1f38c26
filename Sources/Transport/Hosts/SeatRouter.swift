import CSystem
import CZMQ

/// The launcher's end of all seats: one guarded socket that nodes' hosts connect to.
public final class SeatRouter {
    /// A connection, by the name that libzmq gives it. Whoever connects again is another one: what got lost between is not taken for sent.
    public typealias Session = [UInt8]

    private let context: UnsafeMutableRawPointer
    private var socket: SecureSocket?
    private let doorkeeper: Doorkeeper
    private var part = zmq_msg_t()
    /// Where it listens.
    public let endpoint: String
    /// Readable, as an edge, when something may have come.
    public let descriptor: Int32
    /// Messages to one seat that may wait; what goes to it then waits too.
    private static let queueLimit: Int32 = 4096

    /// - Parameters:
    ///   - endpoint: where to listen, such as `tcp://127.0.0.1:*`.
    ///   - nodes: public keys of the nodes, by their indices.
    ///   - patience: milliseconds that a full queue is waited for.
    public init(listen endpoint: String, keys: CurveKeys, nodes: [String], patience: Int) throws(SystemError) {
        guard let context = zmq_ctx_new() else { throw SystemError("zmq_ctx_new", code: zmq_errno()) }
        self.context = context
        zmq_ctx_set(context, ZMQ_MAX_SOCKETS, Int32(clamping: nodes.count + 64))
        doorkeeper = try Doorkeeper(context, allowed: nodes, title: "launcher")
        let socket = try SecureSocket(context, type: ZMQ_ROUTER)
        self.socket = socket
        try SecureSocket.guardAsServer(socket.raw, keys)
        try socket.set(ZMQ_ROUTER_MANDATORY, to: 1)
        try socket.set(ZMQ_SNDHWM, to: Self.queueLimit)
        try socket.set(ZMQ_SNDTIMEO, to: Int32(clamping: patience))
        try socket.set(ZMQ_LINGER, to: 2000)
        try socket.set(ZMQ_BACKLOG, to: 1024)
        try doorkeeper.watch(socket.raw)
        try doorkeeper.start()
        self.endpoint = try SecureSocket.bind(socket.raw, to: endpoint)
        descriptor = try socket.descriptor()
        zmq_msg_init(&part)
    }

    deinit {
        zmq_msg_close(&part)
        socket = nil
        zmq_ctx_shutdown(context)
        doorkeeper.join()
        zmq_ctx_term(context)
    }

    /// How often somebody was turned away.
    public var refusals: Int64 { doorkeeper.refusals }

    /// Takes a message that is there: the node whose key its sender has, its connection, and what it says; `nil` when there is none.
    public func receive() throws(SystemError) -> (node: Int, session: Session, bytes: [UInt8])? {
        guard let socket else { return nil }
        while try socket.receive(into: &part) {
            let session = Array(contents(of: &part))
            var isWhole = zmq_msg_more(&part) != 0
            guard isWhole, try socket.receive(into: &part) else { continue }
            let node = senderNumber(of: &part)
            let size = zmq_msg_size(&part)
            isWhole = zmq_msg_more(&part) == 0
            let bytes = isWhole && size <= SeatLimits.message ? Array(contents(of: &part)) : []
            // A message of more parts is none of ours.
            while zmq_msg_more(&part) != 0, try socket.receive(into: &part) {}
            if let node { return (node, session, bytes) }
        }
        return nil
    }

    /// Sends a message. Answers `false` when the connection is there no more, or takes nothing.
    public func send(_ order: SeatOrder, to session: Session, waits: Bool = true) throws(SystemError) -> Bool {
        guard let socket else { return false }
        guard try socket.send(session, more: true, waits: waits) else { return false }
        return try socket.send(order.bytes, waits: waits)
    }

    /// Sends a message that may be lost, without waiting. Answers `false` when the connection is there no more.
    public func tell(_ order: SeatOrder, to session: Session) throws(SystemError) -> Bool {
        guard let socket else { return false }
        if try socket.send(session, more: true, waits: false) { return try socket.send(order.bytes, waits: false) }
        return zmq_errno() != EHOSTUNREACH
    }

    /// Waits for a message, so many milliseconds at the most.
    public func wait(milliseconds: Int) {
        guard let socket else { return }
        var item = zmq_pollitem_t(socket: socket.raw, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0)
        zmq_poll(&item, 1, milliseconds)
    }
}
