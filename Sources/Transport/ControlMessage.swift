import Nodes
import Quantities
import Time
import Workload

/// What a node and its launcher say to each other, in packets of 64-bit words, little-endian.
///
/// On one machine they travel over a pair of Unix sequential-packet sockets: a hand-over takes a tenth of what it takes through
/// ZeroMQ on one core, and it happens for every window. The end of a process closes its end, which the other one sees.
public enum ControlMessage: Sendable, Equatable {
    /// From the node: its socket is bound.
    case ready
    /// From the node: its window is over.
    case report(WindowReport)
    /// From the client under `wall`: how far it is.
    case progress(Progress)
    /// From the node: its records and statistics are on the disk.
    case finished
    /// From the node: it cannot go on, and why; the node ends.
    case failed(String)
    /// From the node: another node has sent what cannot be read.
    case accused(Int32)
    /// To the node: every node is bound. Under `wall`, when emulated time starts on the machine's monotonic clock.
    case start(epoch: Int64)
    /// To the node: a window.
    case grant(until: Instant, ahead: Instant, awaited: [Grant.Awaited])
    /// To the client: more requests, in order of arrival.
    case offer([RequestSpec])
    /// To the node: write what there is and end.
    case stop
    /// To the node: its process is about to be killed. It writes what it has recorded, sees its messages off, and says `finished`.
    case farewell(at: Instant)
    /// To the node: a process has failed unplanned, at a time that nobody has come to yet.
    case failure(UnplannedFault)

    private enum Tag: Int64 {
        case ready = 1, report, progress, finished, failed, start, grant, stop, farewell, failure, offer, accused
    }

    /// The packet. `words` is emptied first and keeps its memory.
    public func encode(into words: inout [Int64]) {
        words.removeAll(keepingCapacity: true)
        switch self {
        case .ready: words.append(Tag.ready.rawValue)
        case .report(let report):
            words.append(Tag.report.rawValue)
            Self.encode(report, into: &words)
        case .progress(let progress):
            words.append(Tag.progress.rawValue)
            Self.encode(progress, into: &words)
        case .finished: words.append(Tag.finished.rawValue)
        case .failed(let reason):
            words.append(Tag.failed.rawValue)
            for byte in reason.utf8.prefix(2000) { words.append(Int64(byte)) }
        case .accused(let node): words += [Tag.accused.rawValue, Int64(node)]
        case .start(let epoch): words += [Tag.start.rawValue, epoch]
        case .grant(let until, let ahead, let awaited):
            words.append(Tag.grant.rawValue)
            words.append(until)
            words.append(ahead)
            for item in awaited { words.append(Int64(item.source) << 32 | Int64(item.count)) }
        case .offer(let requests):
            words.append(Tag.offer.rawValue)
            for request in requests {
                let lengths = Int64(request.promptTokens) << 32 | Int64(UInt32(bitPattern: request.outputTokens))
                words += [request.id, request.arrival, lengths, Int64(request.priority)]
            }
        case .stop: words.append(Tag.stop.rawValue)
        case .farewell(let time): words += [Tag.farewell.rawValue, time]
        case .failure(let fault): words += [Tag.failure.rawValue] + fault.words
        }
    }

    private static func encode(_ progress: Progress, into words: inout [Int64]) {
        words += [progress.ended, progress.offered, progress.isFinished ? 1 : 0]
    }

    private static func encode(_ report: WindowReport, into words: inout [Int64]) {
        words.append(report.next)
        words.append(report.version)
        for channel in Channel.allCases { words.append(report.earliest[channel]) }
        for channel in Channel.allCases { words.append(report.held[channel]) }
        encode(report.progress, into: &words)
        for sent in report.sent {
            words.append(Int64(sent.target) << 8 | Int64(sent.channel.rawValue))
            words.append(Int64(sent.count))
            words.append(sent.firstHead)
        }
    }

    /// Reads a packet from its bytes; `nil` when it is none.
    public init?(packet: [UInt8]) {
        guard packet.count % 8 == 0 else { return nil }
        let words = packet.withUnsafeBytes { bytes in (0..<(packet.count / 8)).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self) } }
        guard let message = words.withUnsafeBufferPointer({ ControlMessage(decoding: $0) }) else { return nil }
        self = message
    }

    /// The packet as bytes.
    public var packet: [UInt8] {
        var words: [Int64] = []
        encode(into: &words)
        return words.withUnsafeBytes { Array($0) }
    }

    /// Whether a packet says that a node's window is over, or that its records are on the disk: then what it has written is there.
    public static func tellsOfRecords(_ packet: [UInt8]) -> Bool {
        guard let tag = packet.first else { return false }
        return [Tag.report, .progress, .finished, .failed].contains { Int64(tag) == $0.rawValue }
    }

    /// Reads a packet; `nil` when it is none.
    public init?(decoding words: UnsafeBufferPointer<Int64>) {
        guard let first = words.first, let tag = Tag(rawValue: first) else { return nil }
        let rest = words.dropFirst()
        switch (tag, rest.count) {
        case (.ready, 0): self = .ready
        case (.finished, 0): self = .finished
        case (.stop, 0): self = .stop
        case (.farewell, 1): self = .farewell(at: words[1])
        case (.failure, _):
            guard let fault = UnplannedFault(words: Array(rest)) else { return nil }
            self = .failure(fault)
        case (.accused, 1): self = .accused(Int32(truncatingIfNeeded: words[1]))
        case (.start, 1): self = .start(epoch: words[1])
        case (.grant, 2...):
            self = .grant(
                until: words[1], ahead: words[2],
                awaited: rest.dropFirst(2).map { Grant.Awaited(source: Int32(truncatingIfNeeded: $0 >> 32), count: UInt32(truncatingIfNeeded: $0)) })
        case (.offer, let count) where count % 4 == 0: self = .offer(Self.requests(words))
        case (.progress, 3): self = .progress(Self.progress(words, from: 1))
        case (.failed, _): self = .failed(String(decoding: rest.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self))
        case (.report, _):
            guard let report = Self.report(words) else { return nil }
            self = .report(report)
        default: return nil
        }
    }

    private static func requests(_ words: UnsafeBufferPointer<Int64>) -> [RequestSpec] {
        stride(from: 1, to: words.count, by: 4).map { place in
            RequestSpec(
                id: words[place], arrival: words[place + 1], promptTokens: Int32(truncatingIfNeeded: words[place + 2] >> 32),
                outputTokens: Int32(truncatingIfNeeded: words[place + 2]), priority: Int32(truncatingIfNeeded: words[place + 3]))
        }
    }

    private static func progress(_ words: UnsafeBufferPointer<Int64>, from start: Int) -> Progress {
        Progress(ended: words[start], offered: words[start + 1], isFinished: words[start + 2] != 0)
    }

    private static func report(_ words: UnsafeBufferPointer<Int64>) -> WindowReport? {
        let channels = Channel.allCases.count
        let head = 3 + 2 * channels + 3
        guard words.count >= head, (words.count - head) % 3 == 0 else { return nil }
        var earliest = ChannelTimes()
        var held = ChannelTimes()
        for channel in Channel.allCases {
            earliest[channel] = words[3 + Int(channel.rawValue)]
            held[channel] = words[3 + channels + Int(channel.rawValue)]
        }
        var sent: [WindowReport.Sent] = []
        for place in stride(from: head, to: words.count, by: 3) {
            guard let channel = Channel(rawValue: UInt8(truncatingIfNeeded: words[place])) else { return nil }
            sent.append(
                WindowReport.Sent(
                    target: Int32(truncatingIfNeeded: words[place] >> 8), channel: channel, count: UInt32(truncatingIfNeeded: words[place + 1]),
                    firstHead: words[place + 2]))
        }
        var report = WindowReport(next: words[1], earliest: earliest, held: held, sent: sent, progress: progress(words, from: head - 3))
        report.version = words[2]
        return report
    }
}
