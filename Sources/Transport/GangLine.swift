import CSystem
import Cluster
import Glibc
import Quantities

/// Messages of a gang's ranks between processes of one host: packets from each rank to a hub, which is one of them, and from there to each; and from
/// each rank to client and controller.
///
/// What ranks say in the middle of an iteration is waited for at once, and there is much of it. libzmq hands a message to a thread of the sender,
/// that one to a thread of the receiver, and that one to who waits for it: three wake-ups, each dearer than the message. A packet costs one, and
/// none where nobody waits for it: client and controller look for what has come when they have a window. Frames are the same, and what cannot go this
/// way, since the other end is not there, goes through `DataSockets`.
public final class GangLine {
    /// How long a rank waits for a packet before it looks elsewhere.
    private static let patience: Int32 = 100
    /// How often who waits lets others of its processor go first, before it goes to sleep: one of them is likely to send what it waits for, and a
    /// hub, which waits for several, would be woken for each.
    private static let hubYields = 20
    private static let rankYields = 8
    /// With more ranks than this on a processor, one that waits is not next for long, and goes to sleep at once.
    private static let crowd = 16
    /// Bytes of a frame in a packet at the most: the system sets a limit to packets, and frames have none.
    private static let pieceBytes = 1 << 16
    /// A frame beyond this ends the connection.
    private static let frameLimit = 1 << 28
    /// The first byte of a packet: whether its frame goes on in the next one.
    private static let more: UInt8 = 1

    private struct Connection {
        var descriptor: Int32
        /// Who is at the other end; -1 until its first packet has said so.
        var node: Int
        /// The pieces of a frame whose last one is to come.
        var begun: [UInt8] = []
    }

    private let hub: Int
    private let node: Int
    /// Whether this node is none of the ranks: it only takes what they send.
    let isEnd: Bool
    private let directory: String
    private let targets: [Int]
    private let ends: [Int]
    private let yields: Int
    /// At the hub: waits for packets and connections.
    private var listener: Int32 = -1
    private var poller: Int32 = -1
    private var events = [epoll_event](repeating: epoll_event(), count: 64)
    /// By place; that of a closed one is taken again. A rank has one to its hub, and those to ends.
    private var connections: [Connection] = []
    private var ready: [Int] = []
    /// By node, its place among the connections, or -1.
    private var places: [Int]
    /// Frames that came while there was no room for one to send.
    private var backlog: [[UInt8]] = []
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceBytes + 1, alignment: 16)

    /// The nodes that messages of gangs go through or to.
    public struct Hubs {
        /// The rank that this node's messages go through; this node itself, where others' go to or through it.
        var own: Int
        /// All ranks of the gang that messages go through, in order.
        var all: [Int]
        /// Nodes outside of the gang that its ranks send to.
        var ends: [Int] = []
        /// Ranks that share a processor.
        var crowd = 1

        /// `nil` where messages go from everybody to everybody, and for nodes that no rank sends much to.
        public init?(of node: NodePlan, _ plan: ClusterPlan, _ layout: ClusterLayout) {
            let front = [ClusterLayout.client, ClusterLayout.controller]
            if front.contains(node.index) {
                guard layout.gangs.contains(where: { Self.lead(layout.nodes[$0.attention[0]], plan, layout) != nil }) else { return nil }
                self.init(own: node.index, all: [])
                return
            }
            guard let gang = layout.gang(of: node.index), let (own, all) = Self.lead(node, plan, layout) else { return nil }
            self.init(own: own, all: all, ends: front, crowd: gang.attention.count / processorCount)
        }

        private static func lead(_ node: NodePlan, _ plan: ClusterPlan, _ layout: ClusterLayout) -> (own: Int, all: [Int])? {
            if let relay = GangRelay(node, of: plan, layout) { return (relay.hub, relay.hubs) }
            guard plan.clock == .virtual, let gang = layout.gang(of: node.index), !gang.isDisaggregated, gang.attention.count > 1,
                plan.pools[gang.pool].mixture?.granularity == .iteration
            else { return nil }
            return (gang.attention[0], [gang.attention[0]])
        }

        init(own: Int, all: [Int], ends: [Int] = [], crowd: Int = 1) {
            (self.own, self.all, self.ends, self.crowd) = (own, all, ends, crowd)
        }
    }

    /// - Parameters:
    ///   - directory: of the run's sockets.
    ///   - count: of nodes.
    public init(directory: String, hubs: Hubs, node: Int, count: Int) throws(SystemError) {
        hub = hubs.own
        self.node = node
        self.directory = directory
        // A hub connects to those before it.
        targets = (node == hub ? Array(hubs.all.prefix { $0 != node }) : [hub]) + hubs.ends
        ends = hubs.ends
        isEnd = hubs.own == node && hubs.all.isEmpty
        yields = hubs.crowd > Self.crowd ? 0 : Self.rankYields
        places = Array(repeating: -1, count: count)
        guard node == hub else { return }
        listener = testbed_listen_for_packets(path(of: node), Int32(clamping: count))
        guard listener >= 0 else { throw SystemError("listen at \(path(of: node))", code: errno) }
        poller = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard poller >= 0 else { throw SystemError("epoll_create1", code: errno) }
        try watch(listener, as: -1)
    }

    deinit {
        for connection in connections where connection.descriptor >= 0 { Glibc.close(connection.descriptor) }
        if listener >= 0 { Glibc.close(listener) }
        if poller >= 0 { Glibc.close(poller) }
        buffer.deallocate()
    }

    private func path(of hub: Int) -> String { "\(directory)/gang-\(hub)" }

    /// Connects to hubs, which are bound by then.
    public func connect() throws(SystemError) {
        for target in targets {
            let descriptor = testbed_connect_for_packets(path(of: target))
            guard descriptor >= 0 else { throw SystemError("connect \(path(of: target))", code: errno) }
            places[target] = connections.count
            connections.append(Connection(descriptor: descriptor, node: target))
            if node == hub {
                // Ends have nothing to say.
                if !ends.contains(target) { try watch(descriptor, as: connections.count - 1) }
            } else {
                var patience = timeval(tv_sec: 0, tv_usec: Int(Self.patience) * 1000)
                setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
            }
            var name = Int32(node)
            _ = withUnsafeBytes(of: &name) { CSystem.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        }
    }

    private func watch(_ descriptor: Int32, as place: Int) throws(SystemError) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.u64 = UInt64(bitPattern: Int64(place))
        guard epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) == 0 else { throw SystemError("epoll_ctl", code: errno) }
    }

    private func acceptAll() throws(SystemError) {
        while true {
            let descriptor = testbed_accept(listener)
            guard descriptor >= 0 else { return }
            let place = connections.firstIndex { $0.descriptor < 0 } ?? connections.count
            let connection = Connection(descriptor: descriptor, node: -1)
            if place < connections.count { connections[place] = connection } else { connections.append(connection) }
            try watch(descriptor, as: place)
        }
    }

    private func close(_ place: Int) {
        Glibc.close(connections[place].descriptor)
        connections[place].descriptor = -1
        if connections[place].node >= 0 { places[connections[place].node] = -1 }
    }

}

// MARK: - Sending

extension GangLine {
    /// Whether a node is one outside of the gang that this rank sends to.
    func leadsToEnd(_ node: Int) -> Bool { ends.contains(node) && places[node] >= 0 }

    /// Sends a frame. Answers `false` when the other end is not there.
    func send(_ frame: UnsafeRawBufferPointer, to target: Int) throws -> Bool {
        if places[target] < 0, node == hub { try meet() }
        let place = places[target]
        guard place >= 0 else { return false }
        var start = 0
        repeat {
            let end = min(frame.count, start + Self.pieceBytes)
            guard try send(UnsafeRawBufferPointer(rebasing: frame[start..<end]), isLast: end == frame.count, at: place) else { return false }
            start = end
        } while start < frame.count
        return true
    }

    private func send(_ piece: UnsafeRawBufferPointer, isLast: Bool, at place: Int) throws -> Bool {
        var flag = isLast ? 0 : Self.more
        while true {
            let sent = withUnsafeMutableBytes(of: &flag) { flag in
                var parts = (
                    iovec(iov_base: flag.baseAddress, iov_len: 1),
                    iovec(iov_base: UnsafeMutableRawPointer(mutating: piece.baseAddress), iov_len: piece.count)
                )
                return withUnsafeMutableBytes(of: &parts) { parts in
                    var message = msghdr()
                    message.msg_iov = parts.bindMemory(to: iovec.self).baseAddress
                    message.msg_iovlen = 2
                    return sendmsg(connections[place].descriptor, &message, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
                }
            }
            if sent >= 0 { return true }
            switch errno {
            case EINTR: continue
            case EAGAIN: guard try makeRoom(at: place) else { return false }
            case EPIPE, ECONNRESET, EBADF: return false
            default: throw SystemError("send to a rank", code: errno)
            }
        }
    }

    /// Waits for room to send, and takes meanwhile what comes: the other end may be waiting for room too. Answers `false` when the other end is gone.
    private func makeRoom(at place: Int) throws -> Bool {
        if ends.contains(connections[place].node) { knock(at: connections[place].node) }
        var item = pollfd(fd: connections[place].descriptor, events: Int16(POLLIN | POLLOUT), revents: 0)
        guard poll(&item, 1, Self.patience) >= 0 || errno == EINTR else { throw SystemError("poll", code: errno) }
        guard item.revents & Int16(POLLIN) != 0 else { return true }
        return try take(at: place, waits: false) { backlog.append(Array($0)) } != .closed
    }
}

// MARK: - Ends

extension GangLine {
    /// Has an end that sleeps take in what was sent to it: somebody new at its door wakes it, and goes away again.
    private func knock(at end: Int) {
        let descriptor = testbed_connect_for_packets(path(of: end))
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    /// At an end: waits until a descriptor is readable. What has come is left where it is, so that nobody is woken for it, until a rank finds no more
    /// room for what it sends.
    func wait(for descriptor: Int32, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let readable = Int16(POLLIN)
        while true {
            var items = (pollfd(fd: descriptor, events: readable, revents: 0), pollfd(fd: listener, events: readable, revents: 0))
            let count = withUnsafeMutableBytes(of: &items) { poll($0.bindMemory(to: pollfd.self).baseAddress, 2, -1) }
            guard count >= 0 || errno == EINTR else { throw SystemError("poll", code: errno) }
            guard count > 0 else { continue }
            if items.1.revents != 0 { while try receiveWaiting(body) {} }
            if items.0.revents != 0 { return }
        }
    }

    /// Readable when something has come; `nil` where nothing can come.
    var descriptor: Int32? {
        let descriptor = node == hub ? poller : connections.first?.descriptor ?? -1
        return descriptor >= 0 ? descriptor : nil
    }
}

// MARK: - Receiving

extension GangLine {
    private enum Taken {
        case frame
        case nothing
        case closed
    }

    /// Hands a frame to `body`. Answers whether there was one.
    /// - Parameter waits: for a tenth of a second; otherwise for none, and the hub looks at those ranks only that it knows to have sent something.
    func receive(waits: Bool, _ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
        if !backlog.isEmpty {
            let frame = backlog.removeFirst()
            try frame.withUnsafeBytes(body)
            return true
        }
        guard node == hub else {
            guard waits, let connection = connections.first, connection.descriptor >= 0 else { return false }
            for _ in 0..<yields {
                sched_yield()
                if try hand(at: 0, waits: false, body) { return true }
            }
            return try hand(at: 0, waits: true, body)
        }
        while let place = ready.popLast() { if try hand(at: place, waits: false, body) { return true } }
        guard waits else { return false }
        for _ in 0..<Self.hubYields {
            sched_yield()
            try look(0)
            if !ready.isEmpty { break }
        }
        if ready.isEmpty { try look(Self.patience) }
        while let place = ready.popLast() { if try hand(at: place, waits: false, body) { return true } }
        return false
    }

    /// Hands a frame to `body` that is there already. Answers whether there was one.
    func receiveWaiting(_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
        if node == hub, ready.isEmpty { try look(0) }
        guard node != hub, backlog.isEmpty else { return try receive(waits: false, body) }
        guard let connection = connections.first, connection.descriptor >= 0 else { return false }
        return try hand(at: 0, waits: false, body)
    }

    /// Sees who has sent something, or connects.
    private func look(_ milliseconds: Int32) throws(SystemError) {
        let count = epoll_wait(poller, &events, Int32(events.count), milliseconds)
        guard count >= 0 || errno == EINTR else { throw SystemError("epoll_wait", code: errno) }
        for event in events.prefix(max(0, Int(count))) {
            let place = Int(Int64(bitPattern: event.data.u64))
            if place < 0 { try acceptAll() } else { ready.append(place) }
        }
    }

    /// Lets those in who have connected meanwhile.
    private func meet() throws {
        try look(0)
        try look(0)
        let strangers = ready.filter { connections[$0].node < 0 }
        ready.removeAll { connections[$0].node < 0 }
        for place in strangers { _ = try take(at: place, waits: false) { backlog.append(Array($0)) } }
    }

    private func hand(at place: Int, waits: Bool, _ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
        try take(at: place, waits: waits, body) == .frame
    }

    /// Takes packets of a connection up to the end of a frame, which `body` gets.
    private func take(at place: Int, waits: Bool, _ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Taken {
        while connections[place].descriptor >= 0 {
            let count = recv(connections[place].descriptor, buffer.baseAddress, buffer.count, waits ? 0 : Int32(MSG_DONTWAIT))
            guard count > 0 else {
                // A reset is told once, ahead of what was sent before it.
                if count < 0, errno == EINTR || errno == ECONNRESET { continue }
                if count < 0, errno == EAGAIN { return .nothing }
                guard count == 0 else { throw SystemError("receive of a rank", code: errno) }
                close(place)
                return .closed
            }
            guard connections[place].node >= 0 else {
                guard introduce(place, UnsafeRawBufferPointer(rebasing: buffer[..<count])) else { return .closed }
                continue
            }
            let piece = UnsafeRawBufferPointer(rebasing: buffer[1..<count])
            let isLast = buffer[0] != Self.more
            if isLast, connections[place].begun.isEmpty {
                try body(piece)
                return .frame
            }
            connections[place].begun.append(contentsOf: piece)
            guard connections[place].begun.count <= Self.frameLimit else {
                close(place)
                return .closed
            }
            guard isLast else { continue }
            let frame = connections[place].begun
            connections[place].begun = []
            try frame.withUnsafeBytes(body)
            return .frame
        }
        return .closed
    }

    /// The first packet of a connection names its node. Answers whether it does.
    private func introduce(_ place: Int, _ packet: UnsafeRawBufferPointer) -> Bool {
        guard packet.count == 4, case let name = Int(packet.loadUnaligned(as: Int32.self)), places.indices.contains(name), places[name] < 0 else {
            close(place)
            return false
        }
        connections[place].node = name
        places[name] = place
        return true
    }
}
