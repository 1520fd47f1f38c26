import CSystem
import CZMQ
import Glibc

/// Decides who may talk to the guarded sockets of a context, in a thread of its own, and counts whom it turned away.
///
/// It answers libzmq's questions (ZAP, https://rfc.zeromq.org/spec/27): a key that is on the list gets in under its number, which then stands on each
/// of its messages. Who has no key, or replays what another one sent, does not come so far as to be asked about; the sockets' monitors tell of them.
public final class Doorkeeper: @unchecked Sendable {
    static let domain = "testbed"
    private static let address = "inproc://zeromq.zap.01"

    private let context: UnsafeMutableRawPointer
    /// Asked by key, never walked.
    private let numbers: [[UInt8]: Int]
    private let title: String
    private var answerer: UnsafeMutableRawPointer?
    private var monitors: [UnsafeMutableRawPointer] = []
    private var thread = pthread_t()
    private var lock = pthread_mutex_t()
    private var turnedAway: Int64 = 0

    /// - Parameters:
    ///   - allowed: keys by number.
    ///   - title: whose door it is, for the log.
    init(_ context: UnsafeMutableRawPointer, allowed: [String], title: String) throws(SystemError) {
        self.context = context
        self.title = title
        var numbers: [[UInt8]: Int] = [:]
        for (number, key) in allowed.enumerated() { if let bytes = CurveKeys.bytes(key) { numbers[bytes] = number } }
        self.numbers = numbers
        pthread_mutex_init(&lock, nil)
        guard let socket = zmq_socket(context, ZMQ_REP), zmq_bind(socket, Self.address) == 0 else {
            throw SystemError("listen at \(Self.address)", code: zmq_errno())
        }
        answerer = socket
    }

    /// Has it hear of strangers at a socket. Before `start`.
    func watch(_ socket: UnsafeMutableRawPointer) throws(SystemError) {
        let address = "inproc://monitor-\(monitors.count)"
        let failures = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
        guard zmq_socket_monitor(socket, address, failures) == 0, let monitor = zmq_socket(context, ZMQ_PAIR), zmq_connect(monitor, address) == 0
        else { throw SystemError("watch a socket", code: zmq_errno()) }
        monitors.append(monitor)
    }

    /// Begins. It ends with `zmq_ctx_shutdown` of its context, which `join` waits for.
    func start() throws(SystemError) {
        // Signals are for the thread that waits for them: any other one would end the process.
        var (all, before) = (sigset_t(), sigset_t())
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let code = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Doorkeeper>.fromOpaque(argument).takeRetainedValue().serve() }
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        guard code == 0 else { throw SystemError("start a thread", code: code) }
    }

    /// Waits for its end.
    func join() { pthread_join(thread, nil) }

    /// How often somebody was turned away.
    public var refusals: Int64 {
        pthread_mutex_lock(&lock)
        defer { pthread_mutex_unlock(&lock) }
        return turnedAway
    }

    private func serve() {
        var items = [zmq_pollitem_t(socket: answerer, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0)]
        for monitor in monitors { items.append(zmq_pollitem_t(socket: monitor, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0)) }
        while true {
            if zmq_poll(&items, Int32(items.count), -1) < 0 {
                if zmq_errno() == EINTR { continue }
                break
            }
            if items[0].revents != 0, let answerer { answer(answerer) }
            for (place, monitor) in monitors.enumerated() where items[place + 1].revents != 0 { hear(monitor) }
        }
        if let answerer { zmq_close(answerer) }
        for monitor in monitors { zmq_close(monitor) }
    }

    /// Answers one question: version, request, domain, address, identity, mechanism, key.
    private func answer(_ socket: UnsafeMutableRawPointer) {
        guard let parts = Self.receiveParts(socket), parts.count >= 2 else { return }
        let isCurve = parts.count == 7 && parts[5] == Array("CURVE".utf8) && parts[2] == Array(Self.domain.utf8)
        let number = isCurve ? numbers[parts[6]] : nil
        if number == nil { turnAway("a key that is not of this run", from: parts.count > 3 ? String(decoding: parts[3], as: UTF8.self) : "?") }
        let reply: [[UInt8]] = [
            parts[0], parts[1], Array((number == nil ? "400" : "200").utf8), [], Array((number.map { "\($0)" } ?? "").utf8), [],
        ]
        for (place, part) in reply.enumerated() {
            _ = part.withUnsafeBytes { zmq_send(socket, $0.baseAddress, $0.count, place + 1 < reply.count ? ZMQ_SNDMORE : 0) }
        }
    }

    /// An event of a monitor: what happened, and at which address.
    private func hear(_ monitor: UnsafeMutableRawPointer) {
        guard let parts = Self.receiveParts(monitor), parts.count == 2 else { return }
        turnAway("no proof of a key", from: String(decoding: parts[1], as: UTF8.self))
    }

    private static func receiveParts(_ socket: UnsafeMutableRawPointer) -> [[UInt8]]? {
        var parts: [[UInt8]] = []
        var message = zmq_msg_t()
        zmq_msg_init(&message)
        defer { zmq_msg_close(&message) }
        repeat {
            guard zmq_msg_recv(&message, socket, ZMQ_DONTWAIT) >= 0 else { return nil }
            parts.append(Array(contents(of: &message)))
        } while zmq_msg_more(&message) != 0
        return parts
    }

    /// Counts, and says so: of a flood the first, and then ever fewer.
    private func turnAway(_ reason: String, from address: String) {
        pthread_mutex_lock(&lock)
        turnedAway += 1
        let count = turnedAway
        pthread_mutex_unlock(&lock)
        if count & (count - 1) == 0 { logLine("\(title): turned away \(count) so far, the last one with \(reason), at \(address)") }
    }
}

extension String {
    /// The same without what would steer a terminal: for texts that other processes have written.
    public var printable: String {
        String(
            String.UnicodeScalarView(
                unicodeScalars.map { $0 == "\n" || !(0..<0x20).contains($0.value) && !(0x7f..<0xa0).contains($0.value) ? $0 : "\u{fffd}" }))
    }
}

/// Writes a line to standard error at once, so that it is there even if the process is killed next.
public func logLine(_ text: String) {
    var bytes = Array((text + "\n").utf8)[...]
    while !bytes.isEmpty {
        let count = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return }
        bytes = bytes.dropFirst(count)
    }
}
