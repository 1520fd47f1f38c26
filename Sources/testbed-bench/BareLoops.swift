import CSystem
import CZMQ
import Glibc
import Transport

/// What the machine gives without a testbed: the fastest that two processes can pass messages through the same mechanisms.
struct BareLoops {
    let executable: String
    let directory: String

    /// Messages of 64 bytes in a second, one way, through ZeroMQ PUSH and PULL.
    func streaming(messages: Int) throws -> Double {
        let address = "ipc://\(directory)/stream"
        let pull = try ZeroMQ(ZMQ_PULL)
        try pull.set(ZMQ_RCVHWM, 0)
        try pull.bind(address)
        let sender = try Subprocess(executable, ["peer", "stream", address, "\(messages)"])
        var buffer = [UInt8](repeating: 0, count: 64)
        pull.receive(&buffer)
        let time = Measure.time { for _ in 1..<messages { pull.receive(&buffer) } }
        _ = sender.wait()
        return Double(messages - 1) / time
    }

    /// Microseconds for a message there and one back through ZeroMQ PAIR sockets.
    func zeroMQRoundTrip(trips: Int) throws -> Double {
        let address = "ipc://\(directory)/pair"
        let pair = try ZeroMQ(ZMQ_PAIR)
        try pair.bind(address)
        let peer = try Subprocess(executable, ["peer", "echo", address, "\(trips + 1)"])
        var buffer = [UInt8](repeating: 0, count: 64)
        pair.send(buffer)
        pair.receive(&buffer)
        let time = Measure.time {
            for _ in 0..<trips {
                pair.send(buffer)
                pair.receive(&buffer)
            }
        }
        _ = peer.wait()
        return time / Double(trips) * 1e6
    }

    /// Microseconds for a packet there and one back through a pair of Unix sequential-packet sockets.
    /// - Parameter sharesProcessor: whether both processes stay on one processor.
    func seqpacketRoundTrip(trips: Int, sharesProcessor: Bool) throws -> Double {
        let (here, there) = try ControlChannel.pair()
        let arguments = ["peer", "packets", "\(trips + 1)"] + (sharesProcessor ? ["pinned"] : [])
        let peer = try Subprocess(executable, arguments, control: there.descriptor)
        if sharesProcessor { testbed_stay_on_processor(0) }
        defer { testbed_stay_on_processor(-1) }
        func trip() throws {
            _ = try here.send(.ready)
            _ = try here.receive(waits: true)
        }
        try trip()
        let time = try Measure.time { for _ in 0..<trips { try trip() } }
        _ = peer.wait()
        return time / Double(trips) * 1e6
    }

    /// The other process.
    static func peer(_ arguments: [String]) throws -> Int32 {
        guard let kind = arguments.first else { return 2 }
        var buffer = [UInt8](repeating: 0, count: 64)
        switch (kind, arguments.count) {
        case ("stream", 3):
            let push = try ZeroMQ(ZMQ_PUSH)
            try push.set(ZMQ_SNDHWM, 0)
            try push.connect(arguments[1])
            for _ in 0..<(Int(arguments[2]) ?? 0) { push.send(buffer) }
        case ("echo", 3):
            let pair = try ZeroMQ(ZMQ_PAIR)
            try pair.connect(arguments[1])
            for _ in 0..<(Int(arguments[2]) ?? 0) {
                pair.receive(&buffer)
                pair.send(buffer)
            }
        case ("packets", 2...):
            if arguments.count > 2 { testbed_stay_on_processor(0) }
            let channel = ControlChannel(descriptor: ControlChannel.nodeDescriptor)
            for _ in 0..<(Int(arguments[1]) ?? 0) {
                _ = try channel.receive(waits: true)
                _ = try channel.send(.ready)
            }
        default: return 2
        }
        return 0
    }
}

/// A ZeroMQ socket in a context of its own.
private final class ZeroMQ {
    private let context: UnsafeMutableRawPointer
    private let socket: UnsafeMutableRawPointer

    init(_ kind: Int32) throws(SystemError) {
        guard let context = zmq_ctx_new(), let socket = zmq_socket(context, kind) else { throw SystemError("zmq_socket", code: zmq_errno()) }
        self.context = context
        self.socket = socket
    }

    deinit {
        zmq_close(socket)
        zmq_ctx_term(context)
    }

    func set(_ option: Int32, _ value: Int32) throws(SystemError) {
        var value = value
        try check(zmq_setsockopt(socket, option, &value, MemoryLayout<Int32>.size), "zmq_setsockopt")
    }

    func bind(_ address: String) throws(SystemError) { try check(zmq_bind(socket, address), "bind \(address)") }

    func connect(_ address: String) throws(SystemError) { try check(zmq_connect(socket, address), "connect \(address)") }

    private func check(_ result: Int32, _ operation: String) throws(SystemError) {
        guard result == 0 else { throw SystemError(operation, code: zmq_errno()) }
    }

    func send(_ bytes: [UInt8]) { while zmq_send(socket, bytes, bytes.count, 0) < 0, zmq_errno() == EINTR {} }

    func receive(_ bytes: inout [UInt8]) { while zmq_recv(socket, &bytes, bytes.count, 0) < 0, zmq_errno() == EINTR {} }
}
