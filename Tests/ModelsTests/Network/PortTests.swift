import Quantities
import Testing

@testable import Models

@Suite struct PortTests {
    private let latency: Nanoseconds = 5_000
    private let rate: BytesPerSecond = 50_000_000_000

    struct Flow {
        var source: Int
        var destination: Int
        var bytes: Int64
    }

    /// When each flow is there as a whole; flows of a sender leave in the order given, all at time 0.
    private func run(_ flows: [Flow], nodes: Int, rates: [BytesPerSecond]? = nil) -> [Instant] {
        let rates = rates ?? Array(repeating: rate, count: nodes)
        var senders = Array(repeating: SendPort(), count: nodes)
        var receivers = Array(repeating: ReceivePort(), count: nodes)
        var arrivals = flows.enumerated().map { index, flow in
            (flow: flow, index: index, sent: senders[flow.source].depart(0, bytes: flow.bytes, rate: rates[flow.source]))
        }
        arrivals.sort { ($0.sent.start, $0.flow.source, $0.index) < ($1.sent.start, $1.flow.source, $1.index) }
        var done = Array(repeating: Instant(0), count: flows.count)
        for arrival in arrivals {
            done[arrival.index] = receivers[arrival.flow.destination].deliver(
                head: arrival.sent.start + latency, tail: arrival.sent.end + latency, bytes: arrival.flow.bytes,
                rate: rates[arrival.flow.destination])
        }
        return done
    }

    @Test("one flow takes the latency and its bytes at the slower port")
    func oneFlow() {
        let flow = [Flow(source: 0, destination: 1, bytes: 1_000_000)]
        #expect(run(flow, nodes: 2) == [latency + 20_000])
        #expect(run(flow, nodes: 2, rates: [rate, rate / 4]) == [latency + 80_000])
        #expect(run(flow, nodes: 2, rates: [rate / 4, rate]) == [latency + 80_000])
        #expect(run([Flow(source: 0, destination: 1, bytes: 0)], nodes: 2) == [latency])
    }

    @Test("of k equal flows into one receiver the i-th ends at latency + i b / B", arguments: [2, 5, 64])
    func fanIn(count: Int) {
        let flows = (1...count).map { Flow(source: $0, destination: 0, bytes: 1_000_000) }
        #expect(run(flows, nodes: count + 1) == (1...count).map { latency + Int64($0) * 20_000 })
    }

    @Test("of k equal flows from one sender the i-th ends at latency + i b / B", arguments: [2, 5, 64])
    func fanOut(count: Int) {
        let flows = (1...count).map { Flow(source: 0, destination: $0, bytes: 1_000_000) }
        #expect(run(flows, nodes: count + 1) == (1...count).map { latency + Int64($0) * 20_000 })
    }

    @Test("an all-to-all ends at latency + (n - 1) b / B in rotated order, latency + (2 n - 3) b / B in the same order", arguments: [2, 3, 8, 32])
    func allToAll(nodes: Int) throws {
        let rotated = (0..<nodes).flatMap { source in
            (1..<nodes).map { Flow(source: source, destination: (source + $0) % nodes, bytes: 1_000_000) }
        }
        #expect(run(rotated, nodes: nodes).max() == latency + Int64(nodes - 1) * 20_000)
        let same = (0..<nodes).flatMap { source in
            (0..<nodes).filter { $0 != source }.map { Flow(source: source, destination: $0, bytes: 1_000_000) }
        }
        #expect(run(same, nodes: nodes).max() == latency + Int64(max(2 * nodes - 3, 1)) * 20_000)
    }

    @Test("a fast receiver takes two slow senders side by side")
    func fastReceiver() {
        let flows = [Flow(source: 1, destination: 0, bytes: 1_000_000), Flow(source: 2, destination: 0, bytes: 1_000_000)]
        #expect(run(flows, nodes: 3, rates: [2 * rate, rate, rate]) == [latency + 20_000, latency + 20_000])
    }

    @Test("a stream ends a last chunk after its production, or when the port has sent it")
    func streams() {
        var port = SendPort()
        // 1 MB made over 1 ms: the port is fast enough, only the last tenth is exposed.
        let slow = port.depart(0, bytes: 1_000_000, rate: rate, readyFrom: 100_000, readyUntil: 1_100_000, lastBytes: 100_000)
        #expect(slow == (100_000, 1_102_000))
        // Another stream of the same batch is not held up until the first ends.
        let second = port.depart(0, bytes: 1_000_000, rate: rate, readyFrom: 100_000, readyUntil: 1_100_000, lastBytes: 100_000)
        #expect(second == (120_000, 1_102_000))
        // Production faster than the port: as if sent after the start.
        let fast = port.depart(0, bytes: 100_000_000, rate: rate, readyFrom: 200_000, readyUntil: 300_000, lastBytes: 1_000_000)
        #expect(fast == (200_000, 2_200_000))
        // A port that is busy past the production sends the whole afterwards.
        let late = port.depart(0, bytes: 1_000_000, rate: rate, readyFrom: 0, readyUntil: 1_000_000, lastBytes: 100_000)
        #expect(late == (2_200_000, 2_220_000))
    }

    @Test("a slow stream does not hold up a fast flow at its receiver")
    func slowStream() {
        var port = ReceivePort()
        #expect(port.deliver(head: 0, tail: 1_000_000, bytes: 1_000_000, rate: rate) == 1_000_000)
        #expect(port.deliver(head: 10_000, tail: 30_000, bytes: 1_000_000, rate: rate) == 40_000)
    }

    @Test("times beyond any run stay there instead of overflowing")
    func never() {
        var (sender, receiver) = (SendPort(), ReceivePort())
        for _ in 0..<4 {
            let sent = sender.depart(.never, bytes: .max, rate: 1, readyFrom: .never, readyUntil: .never, lastBytes: .max)
            #expect(sent == (.never, .never))
            #expect(receiver.deliver(head: sent.start + latency, tail: sent.end + latency, bytes: .max, rate: 1) >= .never)
        }
    }

    @Test("against max-min fair sharing the last of random flows ends on average 2% and at most 25% later, the mean flow earlier")
    func fairSharing() {
        var random = RandomStream(seed: 5, stream: 1)
        var worst = 0.0
        var total = 0.0
        var meanTotal = 0.0
        let rounds = 200
        for _ in 0..<rounds {
            let nodes = 2 + random.below(10)
            let flows = (0..<(1 + random.below(40))).map { _ in
                let source = random.below(nodes)
                let destination = (source + 1 + random.below(nodes - 1)) % nodes
                return Flow(source: source, destination: destination, bytes: Int64(1 + random.below(10_000_000)))
            }
            let queued = run(flows, nodes: nodes).map { Double($0 - latency) }
            let shared = fluid(flows, nodes: nodes)
            guard let queuedLast = queued.max(), let sharedLast = shared.max() else { continue }
            let ratio = queuedLast / sharedLast
            worst = max(worst, ratio)
            total += ratio
            meanTotal += queued.reduce(0, +) / shared.reduce(0, +)
            // No schedule ends before the busiest port has passed its bytes.
            #expect(queuedLast >= busiest(flows, nodes: nodes) - 1)
        }
        print("ports against fair sharing: makespan \(total / Double(rounds)) mean, \(worst) worst; mean completion \(meanTotal / Double(rounds))")
        #expect(worst < 1.25)
        #expect(total / Double(rounds) < 1.02)
        #expect(meanTotal / Double(rounds) < 1)
    }

    private func busiest(_ flows: [Flow], nodes: Int) -> Double {
        var load = Array(repeating: Int64(0), count: 2 * nodes)
        for flow in flows {
            load[flow.source] += flow.bytes
            load[nodes + flow.destination] += flow.bytes
        }
        return Double(load.max() ?? 0) / Double(rate) * 1e9
    }

    /// Completion times in nanoseconds when ports are shared max-min fairly (progressive filling), all flows from time 0.
    private func fluid(_ flows: [Flow], nodes: Int) -> [Double] {
        var left = flows.map { Double($0.bytes) }
        var done = Array(repeating: 0.0, count: flows.count)
        var active = Set(flows.indices)
        var now = 0.0
        while !active.isEmpty {
            var speed = Array(repeating: 0.0, count: flows.count)
            var capacity = Array(repeating: Double(rate) / 1e9, count: 2 * nodes)
            var unfixed = active.sorted()
            while !unfixed.isEmpty {
                var users = Array(repeating: 0, count: 2 * nodes)
                for index in unfixed {
                    users[flows[index].source] += 1
                    users[nodes + flows[index].destination] += 1
                }
                let tightest = users.indices.filter { users[$0] > 0 }.min { capacity[$0] / Double(users[$0]) < capacity[$1] / Double(users[$1]) }
                guard let tightest else { break }
                let share = capacity[tightest] / Double(users[tightest])
                for index in unfixed where flows[index].source == tightest || nodes + flows[index].destination == tightest {
                    speed[index] = share
                    capacity[flows[index].source] -= share
                    capacity[nodes + flows[index].destination] -= share
                }
                unfixed.removeAll { speed[$0] > 0 }
            }
            let step = active.map { left[$0] / speed[$0] }.min() ?? 0
            now += step
            for index in active {
                left[index] -= step * speed[index]
                if left[index] < 1e-3 { done[index] = now }
            }
            active = active.filter { left[$0] >= 1e-3 }
        }
        return done
    }
}
