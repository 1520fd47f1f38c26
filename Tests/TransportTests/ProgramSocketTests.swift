import CZMQ
import Foundation
import Policies
import Quantities
import Testing

@testable import Nodes
@testable import Transport

/// Answers each question with something that a seed says, until it has answered so many.
private final class HostileProgram: @unchecked Sendable {
    private let context: UnsafeMutableRawPointer
    private let socket: UnsafeMutableRawPointer
    private let answers: Int
    private let ended = DispatchSemaphore(value: 0)

    init(_ endpoint: String, answers: Int) throws {
        context = try #require(zmq_ctx_new())
        socket = try #require(zmq_socket(context, ZMQ_ROUTER))
        try #require(zmq_bind(socket, endpoint) == 0)
        self.answers = answers
    }

    func start() { Thread.detachNewThread { self.serve() } }

    private func serve() {
        var random = RandomStream(seed: 7, stream: 1)
        for _ in 0..<answers {
            let question = receive()
            guard let asker = question.first, let asked = question.last else { break }
            // A good answer to begin: the question's number, and an empty Ready.
            let number = asked.first == 8 ? Array(asked.prefix(while: { $0 >= 0x80 || $0 == 8 })).count + 1 : 2
            var answer = Array(asked.prefix(number)) + [0x12, 0]
            for _ in 0..<random.below(4) { mutate(&answer, &random) }
            if random.below(8) == 0 { send([asker, [], answer, answer]) } else { send([asker, [], answer]) }
        }
        zmq_close(socket)
        zmq_ctx_term(context)
        ended.signal()
    }

    func join() { ended.wait() }

    private func mutate(_ bytes: inout [UInt8], _ random: inout RandomStream) {
        let place = random.below(bytes.count + 1)
        switch random.below(4) {
        case 0: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
        case 1 where place < bytes.count: bytes.removeSubrange(place...)
        case _ where place < bytes.count: bytes[place] ^= 1 << UInt8(random.below(8))
        default: bytes += (0..<random.below(60)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        }
    }

    private func receive() -> [[UInt8]] {
        var parts: [[UInt8]] = []
        var part = zmq_msg_t()
        zmq_msg_init(&part)
        defer { zmq_msg_close(&part) }
        repeat {
            guard zmq_msg_recv(&part, socket, 0) >= 0 else { return [] }
            parts.append(Array(contents(of: &part)))
        } while zmq_msg_more(&part) != 0
        return parts
    }

    private func send(_ parts: [[UInt8]]) {
        for (place, part) in parts.enumerated() {
            _ = part.withUnsafeBytes { zmq_send(socket, $0.baseAddress, $0.count, place + 1 < parts.count ? ZMQ_SNDMORE : 0) }
        }
    }
}

@Suite("The socket of a program that decides")
struct ProgramSocketTests {
    @Test("gives an answer to the question asked or says what is wrong, whatever comes, and goes on")
    func hostile() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("testbed-\(UUID().uuidString.prefix(8))").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let endpoint = "ipc://\(folder)/p"
        let rounds = 5000
        let program = try HostileProgram(endpoint, answers: rounds)
        program.start()
        let choice = ExternalProgram(endpoint: endpoint, fallback: PolicyChoice("join-shortest-queue"))
        let use = ExternalUse(program: choice, kind: .routing, node: "controller", seed: 1)
        let socket = try ProgramSocket(use, endpoint: endpoint, context: ProgramContext())
        var (given, wrong) = (0, 0)
        for _ in 0..<rounds {
            switch socket.begin(born: 0, patience: 20 * nanosecondsPerSecond) {
            case .given: given += 1
            case .wrong: wrong += 1
            case .late, .gone: Issue.record("an answer was there")
            }
        }
        program.join()
        #expect(given > rounds / 10 && wrong > rounds / 10)
    }
}
