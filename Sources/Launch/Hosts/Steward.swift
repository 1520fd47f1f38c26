import CSystem
import Cluster
import Glibc
import Quantities
import Transport

/// Looks after nodes on a host that is not the launcher's: joins the launcher for them, starts their processes, passes on what is said, and brings
/// what they record to the launcher. A node that is killed, stopped or begun anew, is so by its hand, on any host.
///
/// Started by anyone: a container, a batch system, a shell. It ends with the run, and its nodes end with it.
public final class Steward {
    /// What it is told on the command line.
    public struct Options: Sendable {
        public var names: [String]
        /// Where the launcher listens.
        public var launcher: String
        /// A file of keys, or a folder with one for each name.
        public var keys: String
        /// Address to listen at for peers, with a port for the first node; the next ones follow. Port 0: any that is free.
        public var bind: (host: String, port: Int)
        /// By which name and port peers reach the first node; `nil`: as it listens.
        public var advertise: (host: String, port: Int?)?
        /// How long the launcher may be silent, in nanoseconds.
        public var patience: Nanoseconds
        /// How long to stay when the run is over, in nanoseconds.
        public var linger: Nanoseconds
        public var version: String
        public var executable: String

        public init(names: [String], launcher: String, keys: String, version: String, executable: String) {
            self.names = names
            self.launcher = launcher
            self.keys = keys
            self.version = version
            self.executable = executable
            bind = ("127.0.0.1", 0)
            patience = 60 * nanosecondsPerSecond
            linger = 0
        }
    }

    private let options: Options
    private let scratch: String
    private let events: Events
    private var seats: [StewardSeat] = []
    private var reservedPorts: [ReservedPort] = []

    /// Takes a seat for each name.
    public init(_ options: Options) throws {
        self.options = options
        events = try Events()
        NodeProcess.raiseDescriptorLimit()
        scratch = try Files.makePrivateDirectory()
        let context = try SeatContext(lines: options.names.count)
        for (place, name) in options.names.enumerated() {
            let (keys, path) = try KeyFolder.read(options.keys, for: name)
            guard keys.peers.count == 1, keys.peers[0].name == KeyFile.launcher else {
                throw FolderError(description: "\(path): found no key of the launcher, expected keys of a node")
            }
            let line = try SeatLine(context, to: options.launcher, keys: keys.own, launcher: keys.peers[0].key)
            let port = try options.bind.port > 0 ? options.bind.port + place : reservedPort()
            let host = options.advertise?.host ?? (options.bind.host == "0.0.0.0" ? hostName() : options.bind.host)
            let seat = StewardSeat(
                name: name, line: line, folder: "\(scratch)/\(name)", keys: path, executable: options.executable,
                bind: "tcp://\(options.bind.host):\(port)")
            try seat.join(version: options.version, endpoint: "tcp://\(host):\(options.advertise?.port.map { $0 + place } ?? port)")
            seats.append(seat)
        }
    }

    deinit { Files.remove(scratch) }

    private func reservedPort() throws(SystemError) -> Int {
        let reserved = try ReservedPort(at: options.bind.host)
        reservedPorts.append(reserved)
        return reserved.port
    }

    /// Serves until the run is over. Answers the exit code.
    public func run() -> Int32 {
        defer { for seat in seats { seat.end() } }
        do {
            while seats.contains(where: { $0.dismissal == nil }) {
                SeatLine.wait(for: seats.map(\.line), or: seats.flatMap(\.descriptors), milliseconds: seats.contains(where: \.isClogged) ? 5 : 100)
                let now = monotonicNow()
                for seat in seats where seat.dismissal == nil { try seat.turn(now, patience: options.patience) }
                if events.isInterrupted() { return 130 }
            }
        } catch {
            logLine("testbed: \(error)")
            return 1
        }
        let reasons = seats.compactMap { seat in seat.dismissal.flatMap { $0.isEmpty ? nil : "\(seat.name): \($0)" } }
        for reason in reasons { logLine("testbed: \(reason)") }
        if reasons.isEmpty { linger() }
        return reasons.isEmpty ? 0 : 1
    }

    /// Stays a while, so that whoever watches this process does not see it end before the launcher.
    private func linger() {
        let end = monotonicNow() + options.linger
        while monotonicNow() < end, !events.isInterrupted() { usleep(50_000) }
    }
}

/// A port that nobody else gets while this lives, be it to listen at or for a connection of their own. The node that it is for can listen at it: the kernel
/// allows that beside a socket that does not listen, if both may share their address, as libzmq's do.
private final class ReservedPort {
    private(set) var port = 0
    private let descriptor: Int32

    /// - Parameter host: the address, such as `10.0.0.5`; `0.0.0.0` for all.
    init(at host: String) throws(SystemError) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError("socket", code: errno) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
            throw SystemError("found the address '\(host)', expected one such as 10.0.0.5")
        }
        let descriptor = descriptor
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) == 0 ? getsockname(descriptor, $0, &size) : -1 }
        }
        // Not before it is bound: two that ask for any port are not to share one.
        var shares: Int32 = 1
        guard code == 0, setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &shares, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            throw SystemError("listen at \(host)", code: errno)
        }
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}

/// This host's name.
public func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
