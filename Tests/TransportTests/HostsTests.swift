import CZMQ
import Glibc
import Quantities
import Testing

@testable import Transport

/// MSG_NOSIGNAL, which not every module map of the C library shows.
private let noSignal: Int32 = 0x4000

/// Connects to a port of this host and writes, as one does who knows nothing of the protocol. Answers how much could be written.
private func writeRaw(_ chunks: [[UInt8]], port: UInt16) -> Int {
    let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(connection) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let isThere = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(connection, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
    }
    guard isThere else { return 0 }
    return chunks.prefix { chunk in chunk.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, noSignal) } >= 0 }.count
}

private func port(of endpoint: String) throws -> UInt16 { try #require(endpoint.split(separator: ":").last.flatMap { UInt16($0) }) }

/// Two nodes with keys of one run, at ports that are free.
private struct Pair {
    let keys: [CurveKeys]
    let sockets: [DataSockets]
    let endpoints: [String]

    init() throws {
        keys = [try .make(), try .make()]
        // Ports that a socket has just been given are free for the next one.
        endpoints = try (0..<2).map { _ in
            let context = try SeatContext(lines: 1)
            let probe = try SecureSocket(context.raw, type: ZMQ_PULL)
            return try SecureSocket.bind(probe.raw, to: "tcp://127.0.0.1:*")
        }
        let peers = zip(endpoints, keys).map { PeerTable.Peer(endpoint: $0, key: $1.publicKey) }
        let (keys, endpoints) = (keys, endpoints)
        sockets = try (0..<2).map { try DataSockets(peers: PeerTable(peers: peers, own: keys[$0]), bind: endpoints[$0]) }
    }

    /// Waits for a frame at the second node.
    func receive() throws -> (sender: Int?, size: Int)? {
        var found: (Int?, Int)?
        for _ in 0..<50 where found == nil {
            try sockets[1].wait(or: [], milliseconds: 100)
            _ = try sockets[1].receive { found = (sockets[1].sender, $0.count) }
        }
        return found
    }
}

private func until(_ condition: () -> Bool) -> Bool {
    for _ in 0..<500 {
        if condition() { return true }
        usleep(10_000)
    }
    return condition()
}

@Suite("Connections between hosts")
struct HostsTests {
    @Test("carry frames, and tell whose they are")
    func sender() throws {
        let pair = try Pair()
        try [UInt8](repeating: 1, count: 70_000).withUnsafeBytes { try pair.sockets[0].send($0, to: 1) }
        let received = try #require(try pair.receive())
        #expect(received == (0, 70_000))
        #expect(pair.sockets[1].refusals == 0)
    }

    @Test("drop what comes from a node that has been cast out, and nothing else")
    func outcast() throws {
        let pair = try Pair()
        #expect(pair.sockets[1].castOut(0))
        #expect(!pair.sockets[1].castOut(0))
        try [1, 2].withUnsafeBytes { try pair.sockets[0].send($0, to: 1) }
        try [1].withUnsafeBytes { try pair.sockets[1].send($0, to: 1) }
        let received = try #require(try pair.receive())
        #expect(received == (1, 8))
    }

    @Test("give a stranger nothing, count him, and serve the others: without a key, with one of another run, with the wrong one of the server")
    func strangers() throws {
        let pair = try Pair()
        let context = try SeatContext(lines: 3)
        let old = try CurveKeys.make()
        let server = pair.keys[1].publicKey
        var kept: [SecureSocket] = []
        for (keys, expected) in [(old, server), (old, old.publicKey), (pair.keys[0], old.publicKey)] {
            let before = pair.sockets[1].refusals
            let stranger = try SecureSocket(context.raw, type: ZMQ_PUSH)
            try stranger.set(ZMQ_LINGER, to: 0)
            try SecureSocket.guardAsClient(stranger.raw, keys, server: expected)
            zmq_connect(stranger.raw, pair.endpoints[1])
            _ = try stranger.send([1, 2, 3], waits: false)
            #expect(until { pair.sockets[1].refusals > before })
            kept.append(stranger)
        }
        let before = pair.sockets[1].refusals
        let open = try SecureSocket(context.raw, type: ZMQ_PUSH)
        try open.set(ZMQ_LINGER, to: 0)
        zmq_connect(open.raw, pair.endpoints[1])
        #expect(until { pair.sockets[1].refusals > before })
        try [7].withUnsafeBytes { try pair.sockets[0].send($0, to: 1) }
        let received = try #require(try pair.receive())
        #expect(received == (0, 8))
        withExtendedLifetime((kept, open)) {}
    }

    @Test("stand whatever bytes are written to their ports")
    func raw() throws {
        let pair = try Pair()
        let keys = try CurveKeys.make()
        let router = try SeatRouter(listen: "tcp://127.0.0.1:*", keys: keys, nodes: [pair.keys[0].publicKey], patience: 1000)
        // What a true client begins with: its greeting, and a handshake of somebody else.
        var greeting = [UInt8](repeating: 0, count: 64)
        (greeting[0], greeting[9], greeting[10], greeting[11]) = (0xff, 0x7f, 3, 1)
        greeting.replaceSubrange(12..<17, with: Array("CURVE".utf8))
        let hello: [UInt8] = [4, 200, 5] + Array("HELLO".utf8) + [1, 0] + [UInt8](repeating: 9, count: 192)
        var random = RandomStream(seed: 3, stream: 1)
        for round in 0..<400 {
            let noise = (0..<Int(random.next() % 300)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            var chunks = round % 2 == 0 ? [noise] : [greeting, hello, noise]
            if round % 4 == 3 { chunks[1][Int(random.next() % UInt64(hello.count))] ^= UInt8(truncatingIfNeeded: random.next()) }
            _ = writeRaw(chunks, port: try port(of: round % 8 < 4 ? pair.endpoints[1] : router.endpoint))
        }
        #expect(until { pair.sockets[1].refusals > 0 && router.refusals > 0 })
        let received = try router.receive()
        #expect(received == nil)
        let context = try SeatContext(lines: 1)
        let line = try SeatLine(context, to: router.endpoint, keys: pair.keys[0], launcher: keys.publicKey)
        try line.send(.log([5]))
        router.wait(milliseconds: 5000)
        let report = try #require(try router.receive())
        #expect(report.node == 0 && SeatReport(reading: report.bytes[...]) == .log([5]))
        try [7].withUnsafeBytes { try pair.sockets[0].send($0, to: 1) }
        let whole = try #require(try pair.receive())
        #expect(whole == (0, 8))
    }

    @Test("tell a sender from its connection, not from what its frames say")
    func impostor() throws {
        let encoder = FrameEncoder()
        let decoder = FrameDecoder(nodes: 3)
        let frame = try #require(encoder.encode(source: 2, []) { Array($0) })
        func decode() throws { try frame.withUnsafeBytes { try decoder.decode($0) { _ in } } }
        try decode()
        decoder.expectedSource = 2
        try decode()
        decoder.expectedSource = 1
        #expect(throws: FrameError.self) { try decode() }
    }
}

@Suite("What hosts and launcher say")
struct SeatMessageTests {
    private let reports: [SeatReport] = [
        .join(version: "1", name: "prefill-0", endpoint: "tcp://a:1"), .control([1, 0, 0, 0, 0, 0, 0, 0]), .rows(kind: 3, bytes: [1, 2]),
        .statistics([]), .log([9]), .ended(code: 9, bySignal: true), .ping(sent: 5, offset: ClockOffset(offset: -3, uncertainty: 0), isStopped: true),
        .ping(sent: 5, offset: nil, isStopped: false),
    ]
    private let orders: [SeatOrder] = [
        .file(name: "parts/x", isFirst: true, bytes: [0]), .launch(index: 7, born: 1 << 40), .control([UInt8](repeating: 255, count: 16)), .signal(9),
        .pong(sent: 1, received: -1), .dismiss(reason: "é"), .dismiss(reason: ""),
    ]

    @Test("comes back from its bytes as it was")
    func roundTrip() {
        for report in reports { #expect(SeatReport(reading: report.bytes[...]) == report) }
        for order in orders { #expect(SeatOrder(reading: order.bytes[...]) == order) }
    }

    @Test("is read as something that can be said, or not at all, however it is mangled")
    func hostile() {
        var random = RandomStream(seed: 5, stream: 1)
        let messages = reports.map(\.bytes) + orders.map(\.bytes)
        for round in 0..<100_000 {
            var bytes = messages[round % messages.count]
            for _ in 0..<(1 + round % 3) where !bytes.isEmpty {
                let place = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 4 {
                case 0: bytes.removeSubrange(place...)
                case 1: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
                default: bytes[place] = UInt8(truncatingIfNeeded: random.next() >> (random.next() % 8))
                }
            }
            if let report = SeatReport(reading: bytes[...]), case let again = SeatReport(reading: report.bytes[...]), again != report {
                Issue.record("\(bytes) is \(report), and then \(String(describing: again))")
            }
            if let order = SeatOrder(reading: bytes[...]), case let again = SeatOrder(reading: order.bytes[...]), again != order {
                Issue.record("\(bytes) is \(order), and then \(String(describing: again))")
            }
            _ = ControlMessage(packet: Array(bytes.dropFirst(8)))
        }
    }

    @Test("is bounded")
    func bounds() {
        #expect(SeatReport(reading: SeatReport.log([UInt8](repeating: 0, count: SeatLimits.piece)).bytes[...]) != nil)
        #expect(SeatReport(reading: SeatReport.log([UInt8](repeating: 0, count: SeatLimits.piece + 1)).bytes[...]) == nil)
        #expect(SeatReport(reading: SeatReport.control([UInt8](repeating: 0, count: ControlChannel.packetBytes + 8)).bytes[...]) == nil)
    }
}

@Suite("Keys of a run")
struct KeyTests {
    @Test("come back from their files, and no other text is one")
    func roundTrip() throws {
        let (launcher, nodes) = try KeyFile.make(for: ["a", "b"])
        for file in [launcher] + nodes {
            #expect(KeyFile(reading: file.text) == file)
            #expect(KeyFile(reading: String(file.text.dropLast(2))) == nil)
            #expect(KeyFile(reading: file.text + "x") == nil)
        }
        #expect(launcher.peers.map(\.key) == nodes.map(\.own.publicKey))
        #expect(Set(nodes.map(\.own.secretKey)).count == 2)
        #expect(KeyFile(reading: "") == nil)
    }

    @Test("and addresses are of the right form", arguments: ["tcp://a:1", "tcp://10.0.0.1:65535", "tcp://a-b.c_d:7001"])
    func endpoints(text: String) { #expect(PeerTable.isEndpoint(text)) }

    @Test(
        "and nothing else is an address",
        arguments: ["", "tcp://", "tcp://a", "tcp://a:", "tcp://a:0", "tcp://a:65536", "ipc:///x:1", "tcp://a b:1", "tcp://a:1:2", "tcp://a;b:1"])
    func wrongEndpoints(text: String) { #expect(!PeerTable.isEndpoint(text)) }
}

@Suite("Texts of other processes")
struct PrintableTests {
    @Test("lose what steers a terminal, and nothing else")
    func printable() {
        #expect("a\u{1b}[2J\u{9b}b\r\n\té\u{7f}".printable == "a\u{fffd}[2J\u{fffd}b\u{fffd}\n\u{fffd}é\u{fffd}")
        #expect("".printable.isEmpty)
    }
}
