import CSystem
import CZMQ

/// A ZeroMQ socket with the few calls that connections between hosts are made of. Closes with its owner.
final class SecureSocket {
    let raw: UnsafeMutableRawPointer
    private let context: UnsafeMutableRawPointer
    /// Largest message in bytes; a peer that sends more loses its connection.
    static let messageLimit: Int64 = 1 << 26
    /// Milliseconds that a peer has to prove who it is.
    private static let handshakeLimit: Int32 = 10_000

    init(_ context: UnsafeMutableRawPointer, type: Int32) throws(SystemError) {
        guard let socket = zmq_socket(context, type) else { throw SystemError("zmq_socket", code: zmq_errno()) }
        raw = socket
        self.context = context
    }

    deinit { zmq_close(raw) }

    func set(_ option: Int32, to value: Int32) throws(SystemError) { try Self.set(raw, option, to: value) }

    /// Sets an option of a socket.
    static func set(_ socket: UnsafeMutableRawPointer, _ option: Int32, to value: Int32) throws(SystemError) {
        var value = value
        guard zmq_setsockopt(socket, option, &value, MemoryLayout<Int32>.size) == 0 else {
            throw SystemError("zmq_setsockopt \(option)", code: zmq_errno())
        }
    }

    private static func set(_ socket: UnsafeMutableRawPointer, _ option: Int32, to text: String) throws(SystemError) {
        guard zmq_setsockopt(socket, option, text, text.utf8.count) == 0 else { throw SystemError("zmq_setsockopt \(option)", code: zmq_errno()) }
    }

    /// Has a socket accept nobody but whom a `Doorkeeper` lets in.
    static func guardAsServer(_ socket: UnsafeMutableRawPointer, _ keys: CurveKeys) throws(SystemError) {
        try set(socket, ZMQ_CURVE_SERVER, to: 1)
        try set(socket, ZMQ_CURVE_SECRETKEY, to: keys.secretKey)
        try set(socket, ZMQ_ZAP_DOMAIN, to: Doorkeeper.domain)
        try bound(socket)
    }

    /// Has a socket show its keys, and talk to nobody but the holder of the secret key to `server`.
    static func guardAsClient(_ socket: UnsafeMutableRawPointer, _ keys: CurveKeys, server: String) throws(SystemError) {
        try set(socket, ZMQ_CURVE_SERVERKEY, to: server)
        try set(socket, ZMQ_CURVE_PUBLICKEY, to: keys.publicKey)
        try set(socket, ZMQ_CURVE_SECRETKEY, to: keys.secretKey)
        try bound(socket)
    }

    private static func bound(_ socket: UnsafeMutableRawPointer) throws(SystemError) {
        var limit = messageLimit
        guard zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &limit, MemoryLayout<Int64>.size) == 0 else {
            throw SystemError("zmq_setsockopt ZMQ_MAXMSGSIZE", code: zmq_errno())
        }
        try set(socket, ZMQ_HANDSHAKE_IVL, to: handshakeLimit)
        try set(socket, ZMQ_TCP_KEEPALIVE, to: 1)
    }

    /// Listens. Answers where, which tells the port that was free.
    static func bind(_ socket: UnsafeMutableRawPointer, to endpoint: String) throws(SystemError) -> String {
        guard zmq_bind(socket, endpoint) == 0 else { throw SystemError("listen at \(endpoint)", code: zmq_errno()) }
        var text = [CChar](repeating: 0, count: 512)
        var size = text.count
        guard zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, &text, &size) == 0 else { throw SystemError("zmq_getsockopt", code: zmq_errno()) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Readable, as an edge, when something may have happened to the socket.
    func descriptor() throws(SystemError) -> Int32 {
        var descriptor: Int32 = -1
        var size = MemoryLayout<Int32>.size
        guard zmq_getsockopt(raw, ZMQ_FD, &descriptor, &size) == 0 else { throw SystemError("zmq_getsockopt ZMQ_FD", code: zmq_errno()) }
        return descriptor
    }

    /// Sends a part. Answers `false` when nobody is there any more, or when too much waits there already.
    func send(_ bytes: [UInt8], more: Bool = false, waits: Bool = true) throws(SystemError) -> Bool {
        let flags = (more ? ZMQ_SNDMORE : 0) | (waits ? 0 : ZMQ_DONTWAIT)
        while bytes.withUnsafeBytes({ zmq_send(raw, $0.baseAddress, $0.count, flags) }) < 0 {
            switch zmq_errno() {
            case EINTR: continue
            case EHOSTUNREACH, EAGAIN: return false
            default: throw SystemError("send", code: zmq_errno())
            }
        }
        return true
    }

    /// Takes a part that is there into `message`, which is initialised; `false` when there is none.
    func receive(into message: inout zmq_msg_t) throws(SystemError) -> Bool {
        while zmq_msg_recv(&message, raw, ZMQ_DONTWAIT) < 0 {
            switch zmq_errno() {
            case EINTR: continue
            case EAGAIN: return false
            default: throw SystemError("receive", code: zmq_errno())
            }
        }
        return true
    }
}

/// The bytes of a message.
func contents(of message: inout zmq_msg_t) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: zmq_msg_data(&message), count: zmq_msg_size(&message))
}

/// Under which number a message's sender has been let in; `nil` for a socket without a guard.
func senderNumber(of message: inout zmq_msg_t) -> Int? {
    guard let text = zmq_msg_gets(&message, "User-Id") else { return nil }
    return Int(String(cString: text))
}
