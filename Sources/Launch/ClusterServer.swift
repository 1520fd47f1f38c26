import CSystem
import Glibc
import Records
import Transport

/// The socket over which a cluster that stays up is told things: a line of JSON each way.
///
/// Who sends what cannot be read, or too much, loses the connection, and nobody else notices. Nothing here ever waits.
final class ClusterServer {
    /// A connection, as long as it lasts.
    typealias Handle = Int

    private struct Connection {
        let handle: Handle
        let descriptor: Int32
        var input: [UInt8] = []
        var output: [UInt8] = []
        /// Whether what is written waits until there is room.
        var isWaiting = false
        /// Whether an answer is due that takes its time.
        var isOwed = false
    }

    /// Longest command, most that an answer may wait to be read, most connections at once.
    private static let lineLimit = 1 << 16
    private static let outputLimit = 1 << 24
    private static let connectionLimit = 64

    /// Readable when there is something to do.
    let descriptor: Int32
    private let listener: Int32
    private let path: String
    private var connections: [Connection] = []
    private var lastHandle = 0
    private var ready = [epoll_event](repeating: epoll_event(), count: 64)

    init(path: String) throws(SystemError) {
        self.path = path
        listener = testbed_listen(path)
        guard listener >= 0 else { throw SystemError("listen at \(path)", code: errno) }
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw SystemError("epoll_create1", code: errno) }
        try watch(listener, handle: 0, EPOLL_CTL_ADD, writes: false)
    }

    deinit {
        for connection in connections { close(connection.descriptor) }
        close(listener)
        close(descriptor)
        unlink(path)
    }

    private func watch(_ socket: Int32, handle: Handle, _ operation: Int32, writes: Bool) throws(SystemError) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue | (writes ? EPOLLOUT.rawValue : 0)
        event.data.u64 = UInt64(handle)
        guard epoll_ctl(descriptor, operation, socket, &event) == 0 else { throw SystemError("epoll_ctl", code: errno) }
    }

    /// Takes what has come and sends what there is room for.
    /// - Parameter handle: gets each line, without its end, and answers it at once or later by `answer`; `nil` ends the connection.
    func serve(_ handle: (Handle, [UInt8]) -> Reply) throws(SystemError) {
        let count = epoll_wait(descriptor, &ready, Int32(ready.count), 0)
        guard count > 0 else { return }
        for place in 0..<Int(count) {
            let number = Handle(ready[place].data.u64)
            if number == 0 {
                try accept()
            } else if let index = connections.firstIndex(where: { $0.handle == number }) {
                if ready[place].events & EPOLLOUT.rawValue != 0 { flush(index) }
                read(number, handle)
            }
        }
    }

    /// What becomes of a line.
    enum Reply {
        case answer(JSONValue)
        /// The answer comes by `answer`.
        case later
        /// It cannot be read: the connection ends.
        case hangUp
    }

    private func accept() throws(SystemError) {
        while true {
            let socket = testbed_accept(listener)
            guard socket >= 0 else { return }
            // One that says nothing makes room for the next.
            if connections.count >= Self.connectionLimit, let idle = connections.first(where: { !$0.isOwed }) { drop(idle.handle) }
            guard connections.count < Self.connectionLimit, testbed_peer(socket) >= 0 else {
                close(socket)
                continue
            }
            lastHandle += 1
            connections.append(Connection(handle: lastHandle, descriptor: socket))
            try watch(socket, handle: lastHandle, EPOLL_CTL_ADD, writes: false)
        }
    }

    private func drop(_ handle: Handle) {
        guard let index = connections.firstIndex(where: { $0.handle == handle }) else { return }
        close(connections[index].descriptor)
        connections.remove(at: index)
    }

    private func read(_ handle: Handle, _ answerLine: (Handle, [UInt8]) -> Reply) {
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        // So much at once from one of them, then the others; what is left is reported again.
        guard let index = connections.firstIndex(where: { $0.handle == handle }) else { return }
        let count = Glibc.read(connections[index].descriptor, &chunk, chunk.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { return drop(handle) }
        connections[index].input += chunk[0..<count]
        while let index = connections.firstIndex(where: { $0.handle == handle }), let end = connections[index].input.firstIndex(of: 0x0a) {
            let line = Array(connections[index].input[..<end])
            connections[index].input.removeSubrange(...end)
            switch answerLine(handle, line) {
            case .answer(let value): answer(handle, value)
            case .later: connections[index].isOwed = true
            case .hangUp: return drop(handle)
            }
        }
        if let index = connections.firstIndex(where: { $0.handle == handle }), connections[index].input.count > Self.lineLimit { drop(handle) }
    }

    /// Answers a connection, if it still is there.
    func answer(_ handle: Handle, _ value: JSONValue) {
        guard let index = connections.firstIndex(where: { $0.handle == handle }) else { return }
        connections[index].isOwed = false
        connections[index].output += Array((value.text(.compact) + "\n").utf8)
        guard connections[index].output.count <= Self.outputLimit else { return drop(handle) }
        flush(index)
    }

    private func flush(_ index: Int) {
        let socket = connections[index].descriptor
        while !connections[index].output.isEmpty {
            let sent = connections[index].output.withUnsafeBytes { CSystem.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent < 0, errno == EINTR { continue }
            // An end that is closed is seen when it is read.
            guard sent > 0 else { break }
            connections[index].output.removeFirst(sent)
        }
        let waits = !connections[index].output.isEmpty
        guard waits != connections[index].isWaiting else { return }
        connections[index].isWaiting = waits
        try? watch(socket, handle: connections[index].handle, EPOLL_CTL_MOD, writes: waits)
    }

    /// Sends what is left to be sent, for so long at the most.
    func finish(milliseconds: Int32) {
        let end = monotonicNow() + Int64(milliseconds) * 1_000_000
        while monotonicNow() < end, let index = connections.firstIndex(where: { !$0.output.isEmpty }) {
            var entry = pollfd(fd: connections[index].descriptor, events: Int16(POLLOUT), revents: 0)
            _ = poll(&entry, 1, 50)
            if entry.revents & Int16(POLLERR | POLLHUP) != 0 { drop(connections[index].handle) } else { flush(index) }
        }
    }
}
