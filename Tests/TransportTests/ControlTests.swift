import Nodes
import Quantities
import Testing
import Time
import Transport
import Workload

@Suite("Control messages")
struct ControlMessageTests {
    private func randomTimes(_ random: inout RandomStream) -> ChannelTimes {
        var times = ChannelTimes()
        for channel in Channel.allCases where random.below(2) == 0 { times[channel] = edgy(0...Instant.never, &random) }
        return times
    }

    private func randomProgress(_ random: inout RandomStream) -> Progress {
        Progress(ended: edgy(0...(1 << 60), &random), offered: edgy(0...(1 << 60), &random), isFinished: random.below(2) == 0)
    }

    private func randomReport(_ random: inout RandomStream) -> WindowReport {
        WindowReport(
            next: edgy(0...Instant.never, &random), earliest: randomTimes(&random), held: randomTimes(&random),
            sent: (0..<random.below(30)).map { _ in
                WindowReport.Sent(
                    target: Int32(random.below(4096)), channel: Channel.allCases[random.below(Channel.allCases.count)],
                    count: UInt32(truncatingIfNeeded: random.next()), firstHead: edgy(0...Instant.never, &random))
            }, progress: randomProgress(&random))
    }

    private func randomMessage(_ random: inout RandomStream) -> ControlMessage {
        switch random.below(9) {
        case 0: .ready
        case 1: .report(randomReport(&random))
        case 2: .progress(randomProgress(&random))
        case 3: .finished
        case 4: .failed(["", "node prefill-0: ä reason, 理由", String(repeating: "x", count: 1999)][random.below(3)])
        case 5: .start(epoch: edgy(0...(1 << 62), &random))
        case 6:
            .grant(
                until: edgy(0...Instant.never, &random), ahead: edgy(0...Instant.never, &random),
                awaited: (0..<random.below(40)).map { _ in
                    Grant.Awaited(source: Int32(random.below(4096)), count: UInt32(truncatingIfNeeded: random.next()))
                })
        case 7:
            .offer(
                (0..<random.below(40)).map { _ in
                    RequestSpec(
                        id: edgy(0...(1 << 60), &random), arrival: edgy(0...Instant.never, &random),
                        promptTokens: Int32(edgy(0...Int64(Int32.max), &random)),
                        outputTokens: Int32(edgy(0...Int64(Int32.max), &random)), priority: Int32(random.below(2000)) - 1000)
                })
        default: .stop
        }
    }

    @Test("come back as they were")
    func roundTrip() {
        var random = RandomStream(seed: 1, stream: 1)
        var words: [Int64] = []
        for _ in 0..<2000 {
            let message = randomMessage(&random)
            message.encode(into: &words)
            #expect(words.withUnsafeBufferPointer { ControlMessage(decoding: $0) } == message)
        }
    }

    @Test("are read from random and mutated packets without harm")
    func hostile() {
        var random = RandomStream(seed: 2, stream: 1)
        var words: [Int64] = []
        var read = 0
        for round in 0..<40_000 {
            if round % 2 == 0 {
                words = (0..<random.below(40)).map { _ in Int64(truncatingIfNeeded: random.next()) }
                if let first = words.indices.first { words[first] = Int64(random.below(10)) }
            } else {
                randomMessage(&random).encode(into: &words)
                if !words.isEmpty { words[random.below(words.count)] = Int64(truncatingIfNeeded: random.next()) }
                if random.below(2) == 0 { words.removeLast() }
            }
            if words.withUnsafeBufferPointer({ ControlMessage(decoding: $0) }) != nil { read += 1 }
        }
        #expect(read > 100)
    }

    @Test("pass through a channel in order, and the end of the other side is seen")
    func channel() throws {
        let (launcher, node) = try ControlChannel.pair()
        var random = RandomStream(seed: 3, stream: 1)
        #expect(try node.receive(waits: false) == .nothing)
        for _ in 0..<50 {
            let messages = (0..<5).map { _ in randomMessage(&random) }
            for message in messages { #expect(try launcher.send(message)) }
            for message in messages { #expect(try node.receive(waits: true) == .message(message)) }
        }
        let end = try halfClosed()
        #expect(try end.receive(waits: false) == .closed)
        #expect(try !end.send(.ready))
    }

    private func halfClosed() throws -> ControlChannel { try ControlChannel.pair().launcher }
}
