import Quantities

/// What a node's host tells the launcher. A node on another host has a *seat*: a connection of its own, under its own key, held by the steward of that host.
///
/// As bytes: a word that tells which it is, then numbers as words of 64 bits, little-endian, then text or data.
public enum SeatReport: Sendable, Equatable {
    /// The node is to be had here. `version` of the program, the node's name, and where its peers reach it, such as `tcp://host:7001`.
    case join(version: String, name: String, endpoint: String)
    /// A packet of the node's process to its launcher.
    case control([UInt8])
    /// More rows of one of the node's records, by its place among the kinds.
    case rows(kind: Int, bytes: [UInt8])
    /// What the node has counted, in place of what it had.
    case statistics([UInt8])
    /// More of the node's log.
    case log([UInt8])
    /// The node's process has ended: with an exit code, or by a signal.
    case ended(code: Int32, bySignal: Bool)
    /// Says that it is there, and asks for the launcher's clock; with what is known of the difference between both, and whether somebody has
    /// stopped the node's process.
    case ping(sent: Int64, offset: ClockOffset?, isStopped: Bool)
}

/// What the launcher tells a node's host.
public enum SeatOrder: Sendable, Equatable {
    /// A piece of a file for the node's folder.
    case file(name: String, isFirst: Bool, bytes: [UInt8])
    /// Start the node's process.
    case launch(index: Int, born: Instant)
    /// A packet for the node's process.
    case control([UInt8])
    /// A signal for it.
    case signal(Int32)
    /// The answer to a ping: when it was sent, and when it came, each on its own host's clock.
    case pong(sent: Int64, received: Int64)
    /// The seat is given up: the run is over, or why it cannot be had.
    case dismiss(reason: String)
}

/// By how much a clock is ahead of the launcher's, in nanoseconds, and how sure that is.
public struct ClockOffset: Sendable, Equatable {
    public var offset: Int64
    /// Half of the round trip in which it was measured: the truth lies within so much.
    public var uncertainty: Int64

    public init(offset: Int64, uncertainty: Int64) {
        self.offset = offset
        self.uncertainty = uncertainty
    }
}

/// Largest packets in bytes; what is longer is refused.
public enum SeatLimits {
    /// Of rows, logs and files in one message.
    public static let piece = 1 << 18
    /// Of any message.
    static let message = 1 << 25
    static let text = 4096
}

// MARK: - As bytes

/// Puts words and bytes together.
private struct PacketWriter {
    var bytes: [UInt8] = []

    mutating func word(_ value: Int64) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }

    mutating func text(_ text: String) {
        let utf8 = Array(text.utf8.prefix(SeatLimits.text))
        word(Int64(utf8.count))
        bytes += utf8
    }
}

/// Takes them apart again; `nil` for what is not there.
private struct PacketReader {
    var rest: ArraySlice<UInt8>

    mutating func word() -> Int64? {
        guard rest.count >= 8 else { return nil }
        var value: UInt64 = 0
        for byte in rest.prefix(8).reversed() { value = value << 8 | UInt64(byte) }
        rest = rest.dropFirst(8)
        return Int64(bitPattern: value)
    }

    mutating func text() -> String? {
        guard let count = word(), (0...Int64(SeatLimits.text)).contains(count), rest.count >= Int(count) else { return nil }
        defer { rest = rest.dropFirst(Int(count)) }
        return String(decoding: rest.prefix(Int(count)), as: UTF8.self)
    }

    /// Everything that is left.
    mutating func data(limit: Int) -> [UInt8]? {
        guard rest.count <= limit else { return nil }
        defer { rest = [] }
        return Array(rest)
    }

    var isAtEnd: Bool { rest.isEmpty }
}

extension SeatReport {
    /// The message.
    public var bytes: [UInt8] {
        var out = PacketWriter()
        switch self {
        case .join(let version, let name, let endpoint):
            out.word(1)
            for text in [version, name, endpoint] { out.text(text) }
        case .control(let packet):
            out.word(2)
            out.bytes += packet
        case .rows(let kind, let bytes):
            out.word(3)
            out.word(Int64(kind))
            out.bytes += bytes
        case .statistics(let bytes):
            out.word(4)
            out.bytes += bytes
        case .log(let bytes):
            out.word(5)
            out.bytes += bytes
        case .ended(let code, let bySignal):
            out.word(6)
            out.word(Int64(code))
            out.word(bySignal ? 1 : 0)
        case .ping(let sent, let offset, let isStopped):
            out.word(7)
            out.word(sent)
            out.word(offset?.offset ?? 0)
            out.word(offset?.uncertainty ?? -1)
            out.word(isStopped ? 1 : 0)
        }
        return out.bytes
    }

    /// Reads a message; `nil` when it is none.
    public init?(reading bytes: ArraySlice<UInt8>) {
        guard bytes.count <= SeatLimits.message else { return nil }
        var input = PacketReader(rest: bytes)
        guard let tag = input.word(), let report = Self.read(tag, &input), input.isAtEnd else { return nil }
        self = report
    }

    private static func read(_ tag: Int64, _ input: inout PacketReader) -> SeatReport? {
        switch tag {
        case 1:
            guard let version = input.text(), let name = input.text(), let endpoint = input.text() else { return nil }
            return .join(version: version, name: name, endpoint: endpoint)
        case 2: return input.rest.count % 8 == 0 ? input.data(limit: ControlChannel.packetBytes).map { .control($0) } : nil
        case 3:
            guard let kind = input.word(), (0..<64).contains(kind), let bytes = input.data(limit: SeatLimits.piece) else { return nil }
            return .rows(kind: Int(kind), bytes: bytes)
        case 4: return input.data(limit: SeatLimits.message).map { .statistics($0) }
        case 5: return input.data(limit: SeatLimits.piece).map { .log($0) }
        case 6:
            guard let code = input.word(), (0...255).contains(code), let bySignal = input.word() else { return nil }
            return .ended(code: Int32(code), bySignal: bySignal != 0)
        case 7:
            guard let sent = input.word(), let offset = input.word(), let uncertainty = input.word(), let isStopped = input.word() else { return nil }
            let known = uncertainty < 0 ? nil : ClockOffset(offset: offset, uncertainty: uncertainty)
            return .ping(sent: sent, offset: known, isStopped: isStopped != 0)
        default: return nil
        }
    }
}

extension SeatOrder {
    /// The message.
    public var bytes: [UInt8] {
        var out = PacketWriter()
        switch self {
        case .file(let name, let isFirst, let bytes):
            out.word(1)
            out.text(name)
            out.word(isFirst ? 1 : 0)
            out.bytes += bytes
        case .launch(let index, let born):
            out.word(2)
            out.word(Int64(index))
            out.word(born)
        case .control(let packet):
            out.word(3)
            out.bytes += packet
        case .signal(let number):
            out.word(4)
            out.word(Int64(number))
        case .pong(let sent, let received):
            out.word(5)
            out.word(sent)
            out.word(received)
        case .dismiss(let reason):
            out.word(6)
            out.text(reason)
        }
        return out.bytes
    }

    /// Reads a message; `nil` when it is none.
    public init?(reading bytes: ArraySlice<UInt8>) {
        guard bytes.count <= SeatLimits.message else { return nil }
        var input = PacketReader(rest: bytes)
        guard let tag = input.word(), let order = Self.read(tag, &input), input.isAtEnd else { return nil }
        self = order
    }

    private static func read(_ tag: Int64, _ input: inout PacketReader) -> SeatOrder? {
        switch tag {
        case 1:
            guard let name = input.text(), let isFirst = input.word(), let bytes = input.data(limit: SeatLimits.piece) else { return nil }
            return .file(name: name, isFirst: isFirst != 0, bytes: bytes)
        case 2:
            guard let index = input.word(), (0..<1 << 31).contains(index), let born = input.word(), born >= 0 else { return nil }
            return .launch(index: Int(index), born: born)
        case 3: return input.rest.count % 8 == 0 ? input.data(limit: ControlChannel.packetBytes).map { .control($0) } : nil
        case 4: return input.word().flatMap { (1...64).contains($0) ? .signal(Int32($0)) : nil }
        case 5:
            guard let sent = input.word(), let received = input.word() else { return nil }
            return .pong(sent: sent, received: received)
        case 6: return input.text().map { .dismiss(reason: $0) }
        default: return nil
        }
    }
}
