import Quantities
import Testing

@testable import Models

@Suite("Exchanges between ranks")
struct ExchangeTests {
    /// What one rank sends to each, by sender and receiver, and when each is ready.
    private struct Case {
        var hosts: [Int]
        var paths: AllToAllModel.Phase
        var bytes: [[ByteCount]]
        var ready: [Instant]

        init(_ random: inout RandomStream, ranks: Int) {
            hosts = (0..<ranks).map { _ in random.below(3) }
            paths = AllToAllModel.Phase(
                scaleUp: .init(latency: Int64(1 + random.below(5000)), bandwidth: Int64(1_000_000_000 * (1 + random.below(500)))),
                scaleOut: .init(latency: Int64(1 + random.below(20_000)), bandwidth: Int64(1_000_000_000 * (1 + random.below(50)))))
            bytes = (0..<ranks).map { source in (0..<ranks).map { $0 == source ? 0 : Int64(random.below(1_000_000)) } }
            ready = (0..<ranks).map { _ in Int64(random.below(100_000)) }
        }

        var ranks: Range<Int> { hosts.indices }

        func isNear(_ a: Int, _ b: Int) -> Bool { hosts[a] == hosts[b] }

        /// Bytes that a rank sends (or receives) inside its host, and beyond.
        func sent(_ rank: Int) -> (near: ByteCount, far: ByteCount) {
            ranks.reduce(into: (0, 0)) { if isNear(rank, $1) { $0.0 += bytes[rank][$1] } else { $0.1 += bytes[rank][$1] } }
        }
        func received(_ rank: Int) -> (near: ByteCount, far: ByteCount) {
            ranks.reduce(into: (0, 0)) { if isNear(rank, $1) { $0.0 += bytes[$1][rank] } else { $0.1 += bytes[$1][rank] } }
        }

        /// What a rank gets, with its messages in some order.
        func incoming(_ rank: Int, _ departures: [Departure], order: [Int]) -> (near: Incoming, far: Incoming) {
            var (near, far) = (Incoming(), Incoming())
            for source in order where source != rank {
                let departure = departures[source]
                if isNear(source, rank) {
                    near.add(departure.near, sent: departure.sent, from: Int32(source), bytes: bytes[source][rank])
                } else {
                    far.add(departure.far, sent: departure.sent, from: Int32(source), bytes: bytes[source][rank])
                }
            }
            return (near, far)
        }

        /// When each rank has all.
        func done(_ ports: inout [ExchangePort]) -> [Instant] {
            let departures = ranks.map { ports[$0].depart(ready[$0], near: sent($0).near, far: sent($0).far, over: paths) }
            return ranks.map { rank in
                let (near, far) = incoming(rank, departures, order: Array(ranks))
                return ports[rank].receive(near: near, far: far, over: paths)
            }
        }

        var done: [Instant] {
            var ports = ranks.map { _ in ExchangePort() }
            return done(&ports)
        }
    }

    @Test("ready at once take the latency and the bytes of the busiest port, on the slower of both paths", arguments: UInt64(0)..<100)
    func closedForm(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 1)
        var exchange = Case(&random, ranks: 2 + random.below(7))
        exchange.ready = exchange.ready.map { _ in 777 }
        // What is awaited on a path is the largest of what the rank itself gets and what each of its senders sends.
        func path(_ rank: Int, near: Bool) -> Nanoseconds? {
            let sources = exchange.ranks.filter { $0 != rank && exchange.isNear($0, rank) == near }
            guard !sources.isEmpty else { return nil }
            let path = near ? exchange.paths.scaleUp : exchange.paths.scaleOut
            let own = near ? exchange.received(rank).near : exchange.received(rank).far
            let most = sources.map { near ? exchange.sent($0).near : exchange.sent($0).far }.reduce(own, max)
            return path.latency + transmissionTime(most, at: path.bandwidth)
        }
        for (rank, time) in exchange.done.enumerated() {
            #expect(time - 777 == max(path(rank, near: true) ?? 0, path(rank, near: false) ?? 0))
        }
        // And the last of all ranks: the form that measured all-to-alls are fitted to.
        let nears = exchange.ranks.filter { rank in exchange.ranks.contains { $0 != rank && exchange.isNear($0, rank) } }
        let near = nears.map { max(exchange.sent($0).near, exchange.received($0).near) }.max() ?? 0
        let far = exchange.ranks.map { max(exchange.sent($0).far, exchange.received($0).far) }.max() ?? 0
        #expect(exchange.done.max() == 777 + exchange.paths.time(scaleUp: near, scaleOut: far))
    }

    @Test("with an even spread take what the fitted all-to-all says", arguments: AllToAllModel.all, [8, 16, 64])
    func fitted(model: AllToAllModel, ranks: Int) {
        var random = RandomStream(seed: UInt64(ranks), stream: 2)
        for _ in 0..<5 {
            // Each rank keeps its own share, which the fit counts with what stays in the host.
            let each = Int64(1 + random.below(500_000))
            let near = each * Int64(min(ranks, model.hostRanks))
            let far = each * Int64(ranks) - near
            for (phase, expected) in [
                (model.dispatch, model.dispatchTime(near + far, ranks: ranks)), (model.combine, model.combineTime(near + far, ranks: ranks)),
            ] {
                var ports = (0..<ranks).map { _ in ExchangePort() }
                let departures = ports.indices.map { ports[$0].depart(50, near: near, far: far, over: phase) }
                for rank in ports.indices {
                    var (inside, outside) = (Incoming(), Incoming())
                    for (source, departure) in departures.enumerated() {
                        if source / model.hostRanks == rank / model.hostRanks {
                            inside.add(departure.near, sent: departure.sent, from: Int32(source), bytes: each)
                        } else {
                            outside.add(departure.far, sent: departure.sent, from: Int32(source), bytes: each)
                        }
                    }
                    #expect(ports[rank].receive(near: inside, far: outside, over: phase) == 50 + expected)
                }
            }
        }
    }

    @Test("never end sooner where there is more to send or somebody is ready later", arguments: UInt64(0)..<100)
    func monotone(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 3)
        let exchange = Case(&random, ranks: 2 + random.below(5))
        let before = exchange.done
        for _ in 0..<5 {
            var other = exchange
            let (a, b) = (random.below(exchange.hosts.count), random.below(exchange.hosts.count))
            if a != b { other.bytes[a][b] += Int64(random.below(1_000_000)) }
            other.ready[b] += Int64(random.below(50_000))
            #expect(zip(before, other.done).allSatisfy { $0 <= $1 })
        }
    }

    @Test("ready at different times: everybody waits at most for the last one, and for it alone if it is late enough", arguments: UInt64(0)..<50)
    func straggler(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 4)
        var exchange = Case(&random, ranks: 2 + random.below(5))
        exchange.hosts = exchange.hosts.map { _ in 0 }
        let late = random.below(exchange.hosts.count)
        exchange.ready = exchange.ready.map { _ in 0 }
        exchange.ready[late] = 1_000_000_000
        let tail = 1_000_000_000 + exchange.paths.scaleUp.latency + transmissionTime(exchange.sent(late).near, at: exchange.paths.scaleUp.bandwidth)
        for (rank, time) in exchange.done.enumerated() where rank != late { #expect(time == tail) }
        #expect(exchange.done[late] < 1_000_000_000)
    }

    @Test("one after the other through the same ports take turns: so many take as long as one with all their bytes")
    func inTurns() {
        let paths = AllToAllModel.Phase(
            scaleUp: .init(latency: 3000, bandwidth: 1_000_000_000), scaleOut: .init(latency: 3000, bandwidth: 1_000_000_000))
        var (sender, receiver) = (ExchangePort(), ExchangePort())
        var done: Instant = 0
        for turn in 1...10 {
            let departure = sender.depart(0, near: 5000, far: 0, over: paths)
            var near = Incoming()
            near.add(departure.near, sent: departure.sent, from: 0, bytes: 5000)
            done = receiver.receive(near: near, far: Incoming(), over: paths)
            #expect(done == 3000 + 5000 * Int64(turn))
        }
    }

    @Test("the order in which messages are added does not matter", arguments: UInt64(0)..<50)
    func order(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 5)
        var exchange = Case(&random, ranks: 2 + random.below(7))
        // So that some arrive at the same time.
        if random.below(2) == 0 { exchange.ready = exchange.ready.map { $0 / 50_000 * 50_000 } }
        if random.below(2) == 0 { exchange.bytes = exchange.bytes.map { $0.map { _ in 1000 } } }
        var ports = exchange.ranks.map { _ in ExchangePort() }
        let departures = exchange.ranks.map {
            ports[$0].depart(exchange.ready[$0], near: exchange.sent($0).near, far: exchange.sent($0).far, over: exchange.paths)
        }
        let first = exchange.incoming(0, departures, order: Array(exchange.ranks))
        for _ in 0..<10 {
            var order = Array(exchange.ranks)
            for place in order.indices { order.swapAt(place, random.below(order.count)) }
            let other = exchange.incoming(0, departures, order: order)
            #expect(other.near == first.near && other.far == first.far)
            // Nor does it matter in which groups.
            var grouped = Incoming()
            grouped.add(other.far)
            grouped.add(other.near)
            var reversed = other.near
            reversed.add(first.far)
            #expect(grouped.lastSource == reversed.lastSource && grouped.lastTail == reversed.lastTail && grouped.firstHead == reversed.firstHead)
        }
    }

    @Test("without messages are done at once, and hold up nothing")
    func nothing() {
        let paths = AllToAllModel.deepEPH800.dispatch
        var port = ExchangePort()
        #expect(port.receive(near: Incoming(), far: Incoming(), over: paths) == 0)
        #expect(port == ExchangePort())
        let departure = port.depart(100, near: 0, far: 0, over: paths)
        #expect(departure.near == Flight(head: 100 + paths.scaleUp.latency, tail: 100 + paths.scaleUp.latency))
        #expect(port.depart(40, near: 0, far: 0, over: paths).sent == 40)
    }

    @Test("of more bytes than any link can carry hold a port up for a bounded time, so that no sum of times overflows")
    func bounded() {
        let paths = AllToAllModel.Phase(scaleUp: .init(latency: 1000, bandwidth: 1), scaleOut: .init(latency: 1000, bandwidth: 1000))
        var (sender, receiver) = (ExchangePort(), ExchangePort())
        var done: Instant = 0
        for turn in 1...8000 {
            let departure = sender.depart(0, near: .max, far: .max, over: paths)
            var near = Incoming()
            near.add(departure.near, sent: departure.sent, from: 0, bytes: .max)
            done = receiver.receive(near: near, far: near, over: paths)
            #expect(done == 1000 + Int64(turn) * ExchangePort.longest)
        }
        #expect(done < .never)
    }

    @Test("are passed on chunk by chunk as they come, and hold a port up for no longer than their bytes take")
    func relay() {
        let path = AllToAllModel.Path(latency: 1_000, bandwidth: 1_000_000_000)
        var port = ExchangePort()
        // A byte takes a nanosecond. 500 of its own first, 300 more as they come from 2,000 to 2,800: the last leaves then.
        let slow = port.relay(100, own: 500, passed: 300, arriving: Flight(head: 2_000, tail: 2_800), over: path, isFar: false)
        #expect(slow == Flight(head: 1_100, tail: 3_800))
        // The port was taken for 800; what has come already goes at its speed.
        let late = port.relay(100, own: 0, passed: 900, arriving: Flight(head: 50, tail: 120), over: path, isFar: false)
        #expect(late == Flight(head: 1_900, tail: 2_800))
        // The other port is free. Nothing leaves before it comes.
        let far = port.relay(100, own: 0, passed: 900, arriving: Flight(head: 250, tail: 400), over: path, isFar: true)
        #expect(far == Flight(head: 1_250, tail: 2_150))
        // Without anything to pass on it is a departure.
        var (one, other) = (ExchangePort(), ExchangePort())
        let paths = AllToAllModel.Phase(scaleUp: path, scaleOut: .init(latency: 2_000, bandwidth: 500_000_000))
        for ready in [100, 300, 5_000] as [Instant] {
            let departure = one.depart(ready, near: 400, far: 700, over: paths)
            #expect(other.relay(ready, own: 400, passed: 0, arriving: nil, over: paths.scaleUp, isFar: false) == departure.near)
            #expect(other.relay(ready, own: 700, passed: 0, arriving: nil, over: paths.scaleOut, isFar: true) == departure.far)
            #expect(one == other)
        }
    }
}
