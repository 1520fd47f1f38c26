import CSystem
import CZMQ

/// An operation of the system or of a library that failed.
public struct SystemError: Error, CustomStringConvertible {
    public var description: String

    /// - Parameters:
    ///   - operation: what was tried, such as `open runs/x`.
    ///   - code: an `errno`, also one of ZeroMQ's.
    public init(_ operation: String, code: Int32) {
        description = "\(operation): \(String(cString: zmq_strerror(code)))"
    }

    public init(_ description: String) { self.description = description }
}

/// A node's ZeroMQ sockets: one that everybody sends to, and one for each node that it has sent to.
///
/// On one machine, endpoints are files in a directory of the run's own that nobody else may enter. Between hosts every connection is encrypted, and
/// both ends have shown who they are (`PeerTable`). There is no limit on messages in a queue, for ZeroMQ would drop or block beyond it: the windows
/// bound how much can be under way.
public final class DataSockets {
    private let context: UnsafeMutableRawPointer
    private let inbound: UnsafeMutableRawPointer
    private var outbound: [UnsafeMutableRawPointer?]
    /// Where each node listens.
    private let endpoints: [String]
    private let peers: PeerTable?
    private let doorkeeper: Doorkeeper?
    private var message = zmq_msg_t()
    private var isFlushed = false

    /// Who sent the frame that is being handed over, where connections tell.
    public private(set) var sender: Int?
    /// Whether connections tell who is at their other end.
    public var tellsSenders: Bool { peers != nil }
    /// Nodes that have sent what cannot be read, and what of theirs has been dropped since.
    private var outcasts: [Int: Int64] = [:]

    /// Binds node `node` of `count` in a directory.
    public convenience init(directory: String, node: Int, count: Int) throws(SystemError) {
        let endpoints = (0..<count).map { "ipc://\(directory)/\($0)" }
        try self.init(endpoints, bind: endpoints[node], peers: nil)
    }

    /// Binds a node to `bind`, such as `tcp://127.0.0.1:7001`, which is where the table says that it listens, or leads there.
    public convenience init(peers: PeerTable, bind: String) throws(SystemError) {
        try self.init(peers.peers.map(\.endpoint), bind: bind, peers: peers)
    }

    private init(_ endpoints: [String], bind: String, peers: PeerTable?) throws(SystemError) {
        guard let context = zmq_ctx_new() else { throw SystemError("zmq_ctx_new", code: zmq_errno()) }
        self.context = context
        self.endpoints = endpoints
        self.peers = peers
        outbound = Array(repeating: nil, count: endpoints.count)
        // Every node may send to every other.
        zmq_ctx_set(context, ZMQ_MAX_SOCKETS, Int32(clamping: endpoints.count + 16))
        guard let socket = zmq_socket(context, ZMQ_PULL) else { throw SystemError("zmq_socket", code: zmq_errno()) }
        inbound = socket
        try Self.set(socket, ZMQ_RCVHWM, to: 0)
        if let peers {
            let doorkeeper = try Doorkeeper(context, allowed: peers.peers.map(\.key), title: "data")
            try SecureSocket.guardAsServer(socket, peers.own)
            try doorkeeper.watch(socket)
            try doorkeeper.start()
            self.doorkeeper = doorkeeper
        } else {
            doorkeeper = nil
        }
        _ = try SecureSocket.bind(socket, to: bind)
        zmq_msg_init(&message)
    }

    deinit {
        zmq_msg_close(&message)
        for case let socket? in outbound { zmq_close(socket) }
        if !isFlushed { end() }
    }

    private func end() {
        zmq_close(inbound)
        if let doorkeeper {
            zmq_ctx_shutdown(context)
            doorkeeper.join()
            if doorkeeper.refusals > 0 { logLine("data: turned away \(doorkeeper.refusals) in all") }
        }
        for node in outcasts.keys.sorted() { logLine("data: dropped \(outcasts[node] ?? 0) messages of node \(node)") }
        zmq_ctx_term(context)
    }

    /// Sees off what has been sent, for five seconds at the most, and closes all sockets: nothing can be sent or received after it.
    public func flush() {
        guard !isFlushed else { return }
        isFlushed = true
        for place in outbound.indices {
            guard let socket = outbound[place] else { continue }
            try? Self.set(socket, ZMQ_LINGER, to: 5000)
            zmq_close(socket)
            outbound[place] = nil
        }
        end()
    }

    private static func set(_ socket: UnsafeMutableRawPointer, _ option: Int32, to value: Int32) throws(SystemError) {
        try SecureSocket.set(socket, option, to: value)
    }

    /// How often somebody was turned away.
    public var refusals: Int64 { doorkeeper?.refusals ?? 0 }

    /// Drops from now on what a node sends. Answers whether that is new.
    public func castOut(_ node: Int) -> Bool {
        guard outcasts[node] == nil else { return false }
        outcasts[node] = 1
        return true
    }

    private func socket(to target: Int) throws(SystemError) -> UnsafeMutableRawPointer {
        if let socket = outbound[target] { return socket }
        guard let socket = zmq_socket(context, ZMQ_PUSH) else { throw SystemError("zmq_socket", code: zmq_errno()) }
        outbound[target] = socket
        try Self.set(socket, ZMQ_SNDHWM, to: 0)
        // A node ends when the run is over and every message has come, or when it has failed: nothing that is left is awaited, and
        // what goes to a node that has died would be waited for in vain.
        try Self.set(socket, ZMQ_LINGER, to: 0)
        // A process that is there again after a fault is found soon.
        try Self.set(socket, ZMQ_RECONNECT_IVL, to: 5)
        if let peers { try SecureSocket.guardAsClient(socket, peers.own, server: peers.peers[target].key) }
        guard zmq_connect(socket, endpoints[target]) == 0 else { throw SystemError("connect \(endpoints[target])", code: zmq_errno()) }
        return socket
    }

    /// Sends a frame to a node.
    public func send(_ bytes: UnsafeRawBufferPointer, to target: Int) throws(SystemError) {
        let socket = try socket(to: target)
        while zmq_send(socket, bytes.baseAddress, bytes.count, 0) < 0 {
            guard zmq_errno() == EINTR else { throw SystemError("send to node \(target)", code: zmq_errno()) }
        }
    }

    /// Hands a frame that is there to `body`, without waiting. Answers whether there was one.
    public func receive(_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
        repeat { guard try take() else { return false } } while drops()
        try body(contents(of: &message))
        return true
    }

    /// Whether what has come is not to be looked at.
    private func drops() -> Bool {
        guard peers != nil else { return false }
        sender = senderNumber(of: &message)
        guard let sender else { return true }
        guard let count = outcasts[sender] else { return false }
        outcasts[sender] = count + 1
        return true
    }

    private func take() throws(SystemError) -> Bool {
        while zmq_msg_recv(&message, inbound, ZMQ_DONTWAIT) < 0 {
            if zmq_errno() == EAGAIN { return false }
            guard zmq_errno() == EINTR else { throw SystemError("receive", code: zmq_errno()) }
        }
        return true
    }

    /// Waits until a frame is there or one of the descriptors is readable, or for `milliseconds` (-1: for ever). Answers whether one of them is.
    @discardableResult
    public func wait(or descriptors: [Int32], milliseconds: Int = -1) throws(SystemError) -> Bool {
        var items = [zmq_pollitem_t(socket: inbound, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0)]
        for descriptor in descriptors {
            items.append(zmq_pollitem_t(socket: nil, fd: descriptor, events: Int16(ZMQ_POLLIN), revents: 0))
        }
        let count = zmq_poll(&items, Int32(items.count), milliseconds)
        guard count >= 0 || zmq_errno() == EINTR else { throw SystemError("zmq_poll", code: zmq_errno()) }
        return count > 0
    }
}
