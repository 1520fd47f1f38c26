import CProtobufC
import CSystem
import CWire
import CZMQ
import Nodes
import Policies
import Quantities

/// The ZeroMQ context of one process's conversations with programs outside.
public final class ProgramContext {
    let context: UnsafeMutableRawPointer

    public init() throws(SystemError) {
        guard let context = zmq_ctx_new() else { throw SystemError("zmq_ctx_new", code: zmq_errno()) }
        self.context = context
    }

    deinit { zmq_ctx_term(context) }
}

/// A conversation with a program outside: a question, and its answer or none.
public final class ProgramSocket {
    /// Largest answer taken, in bytes.
    private static let answerLimit: Int64 = 1 << 24
    /// How long what a program sent before it ended may be on its way, in milliseconds.
    private static let grace = 200

    private let context: ProgramContext
    private let socket: UnsafeMutableRawPointer
    private let encoder = QuestionEncoder()
    private let arena = Arena()
    private var sequence: UInt64 = 0
    private var message = zmq_msg_t()
    private let use: ExternalUse
    /// Readable when the program has ended; -1 for one that somebody else keeps.
    private let ended: Int32

    /// Connects to where a program listens or will.
    public init(_ use: ExternalUse, endpoint: String, ended: Int32 = -1, context: ProgramContext) throws(SystemError) {
        self.context = context
        self.use = use
        self.ended = ended
        guard let socket = zmq_socket(context.context, ZMQ_REQ) else { throw SystemError("zmq_socket", code: zmq_errno()) }
        self.socket = socket
        zmq_msg_init(&message)
        var (linger, interval, limit) = (Int32(0), Int32(10), Self.answerLimit)
        guard zmq_setsockopt(socket, ZMQ_LINGER, &linger, MemoryLayout<Int32>.size) == 0,
            zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &interval, MemoryLayout<Int32>.size) == 0,
            zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &limit, MemoryLayout<Int64>.size) == 0, zmq_connect(socket, endpoint) == 0
        else {
            // A throwing initialiser whose members are all there runs `deinit`, which closes the socket.
            throw SystemError("connect \(endpoint)", code: zmq_errno())
        }
    }

    deinit {
        zmq_msg_close(&message)
        zmq_close(socket)
    }

    /// Has the program begin with nothing in its memory.
    public func begin(born: Instant, patience: Nanoseconds) -> ExternalAnswer<Void> {
        ask(.begin(node: use.node, decision: use.kind.name, seed: use.seed, born: born), patience: patience) { answer in
            answer.body_case == TESTBED__POLICY__ANSWER__BODY_BEGIN ? () : nil
        }
    }

    /// Where a request goes.
    public func route(_ request: RequestView, among workers: [WorkerView], patience: Nanoseconds) -> ExternalAnswer<Int> {
        ask(.route(request, workers), patience: patience) { answer in
            guard answer.body_case == TESTBED__POLICY__ANSWER__BODY_ROUTE, let choice = answer.route else { return nil }
            return Int(choice.pointee.worker)
        }
    }

    /// Which waiting requests join.
    public func admit(from waiting: WaitingQueue, _ engine: EngineView, patience: Nanoseconds) -> ExternalAnswer<[Int]> {
        ask(.admit(waiting, engine), patience: patience) { answer in
            guard answer.body_case == TESTBED__POLICY__ANSWER__BODY_ADMIT, let choices = answer.admit else { return nil }
            return (0..<choices.pointee.n_waiting).map { Int(choices.pointee.waiting[$0]) }
        }
    }

    private func ask<Value>(
        _ question: QuestionEncoder.Question, patience: Nanoseconds, read: (Testbed__Policy__Answer) -> Value?
    ) -> ExternalAnswer<Value> {
        sequence += 1
        guard let bytes = encoder.encode(question, sequence: sequence) else { return .gone("cannot be asked: the question does not fit in memory") }
        while zmq_send(socket, bytes.baseAddress, bytes.count, ZMQ_DONTWAIT) < 0 {
            guard zmq_errno() == EINTR else { return .gone("cannot be asked: \(String(cString: zmq_strerror(zmq_errno())))") }
        }
        let deadline = monotonicNow() + patience
        var hasEnded = false
        while true {
            let left = hasEnded ? Self.grace : Int(max(0, deadline - monotonicNow() + 999_999) / 1_000_000)
            var items = [zmq_pollitem_t(socket: socket, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0)]
            if ended >= 0, !hasEnded { items.append(zmq_pollitem_t(socket: nil, fd: ended, events: Int16(ZMQ_POLLIN), revents: 0)) }
            if zmq_poll(&items, Int32(items.count), left) < 0 {
                guard zmq_errno() == EINTR else { return .gone("cannot be waited for: \(String(cString: zmq_strerror(zmq_errno())))") }
                continue
            }
            if items[0].revents != 0 { return takeAnswer(read) }
            if hasEnded { return .gone("has ended") }
            if items.count > 1, items[1].revents != 0 { hasEnded = true } else if monotonicNow() >= deadline { return .late }
        }
    }

    private func takeAnswer<Value>(_ read: (Testbed__Policy__Answer) -> Value?) -> ExternalAnswer<Value> {
        while zmq_msg_recv(&message, socket, 0) < 0 {
            guard zmq_errno() == EINTR else { return .gone("cannot be heard: \(String(cString: zmq_strerror(zmq_errno())))") }
        }
        guard zmq_msg_more(&message) == 0 else {
            // What is left of it would stand in the way of the next question.
            while zmq_msg_more(&message) != 0, zmq_msg_recv(&message, socket, ZMQ_DONTWAIT) >= 0 {}
            return .wrong("in several parts, expected one")
        }
        let size = zmq_msg_size(&message)
        arena.reset()
        var allocator = arena.allocator()
        guard let answer = testbed__policy__answer__unpack(&allocator, size, zmq_msg_data(&message)?.bindMemory(to: UInt8.self, capacity: size))
        else {
            return .wrong("\(size) bytes that are no Answer")
        }
        guard answer.pointee.sequence == sequence else { return .wrong("the question \(answer.pointee.sequence), expected \(sequence)") }
        guard let value = read(answer.pointee) else { return .wrong("another question than the one asked") }
        return .given(value)
    }
}
