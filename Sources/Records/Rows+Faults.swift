import Quantities

/// A row of `restarts.csv`: a request that was begun again after a fault, written when its answer goes on or fails.
public struct RestartRow: Sendable {
    /// The header line.
    public static let header = "request,restarts,node,tokens_received,begun_s,end_s,lost_s,resumed\n"

    public var request: Int64
    public var restarts: Int32
    /// Whose end was the reason.
    public var node: String
    /// Tokens that the user had.
    public var received: Int32
    /// When it was begun again, and when the next token came or it failed.
    public var begun: Instant
    public var end: Instant
    /// From the token before (or the request's arrival) to the next one.
    public var lost: Nanoseconds
    public var isResumed: Bool

    public init(
        request: Int64, restarts: Int32, node: String, received: Int32, begun: Instant, end: Instant, lost: Nanoseconds, isResumed: Bool
    ) {
        self.request = request
        self.restarts = restarts
        self.node = node
        self.received = received
        self.begun = begun
        self.end = end
        self.lost = lost
        self.isResumed = isResumed
    }

    /// Appends the row.
    public func write(to text: inout TextBuffer) {
        text.append(request)
        text.append(ascii: UInt8(ascii: ","))
        text.append(Int64(restarts))
        text.append(ascii: UInt8(ascii: ","))
        text.append(node)
        text.append(ascii: UInt8(ascii: ","))
        text.append(Int64(received))
        for time in [begun, end, lost] {
            text.append(ascii: UInt8(ascii: ","))
            text.append(seconds: time)
        }
        text.append(isResumed ? ",yes\n" : ",no\n")
    }
}

/// A row of `messages.csv`: one message, written when it has been delivered.
public struct MessageRow: Sendable {
    /// The header line.
    public static let header = """
        to,from,sequence,channel,sent_s,delivered_s,bytes

        """

    /// Indices of the nodes.
    public var target: Int64
    public var source: Int64
    /// Number of the message among those of its sender.
    public var sequence: Int64
    public var channel: StaticString
    public var sent: Instant
    public var delivered: Instant
    /// Bytes that it stood for.
    public var bytes: ByteCount

    public init(target: Int64, source: Int64, sequence: Int64, channel: StaticString, sent: Instant, delivered: Instant, bytes: ByteCount) {
        self.target = target
        self.source = source
        self.sequence = sequence
        self.channel = channel
        self.sent = sent
        self.delivered = delivered
        self.bytes = bytes
    }

    /// Appends the row.
    public func write(to text: inout TextBuffer) {
        let comma = UInt8(ascii: ",")
        for number in [target, source, sequence] {
            text.append(number)
            text.append(ascii: comma)
        }
        text.append(channel.description)
        for time in [sent, delivered] {
            text.append(ascii: comma)
            text.append(seconds: time)
        }
        text.append(ascii: comma)
        text.append(bytes)
        text.append(ascii: UInt8(ascii: "\n"))
    }
}

/// A row of `migrations.csv`: a request that has moved, written when it produces its first token where it moved to.
public struct MigrationRow: Sendable {
    /// The header line. `node` is where it moved to; `source` the index of the node that it came from.
    public static let header = "node,request,source,begun_s,last_token_s,end_s,downtime_s,tokens,stages,bytes\n"

    public var request: Int64
    public var source: Int32
    /// When the source was told to, when it produced its last token, and when the target produced its first.
    public var begun: Instant
    public var lastToken: Instant
    public var end: Instant
    /// Tokens whose cache moved.
    public var tokens: Int32
    /// Stages of copying, the last one, for which the request stood still, included.
    public var stages: Int32
    public var bytes: ByteCount

    public init(
        request: Int64, source: Int32, begun: Instant, lastToken: Instant, end: Instant, tokens: Int32, stages: Int32, bytes: ByteCount
    ) {
        self.request = request
        self.source = source
        self.begun = begun
        self.lastToken = lastToken
        self.end = end
        self.tokens = tokens
        self.stages = stages
        self.bytes = bytes
    }

    /// Appends the row; `node` is the target's name in UTF-8.
    public func write(to text: inout TextBuffer, node: [UInt8]) {
        text.appendRow { row in
            row.field(node)
            row.field(request)
            row.field(Int64(source))
            row.field(seconds: begun)
            row.field(seconds: lastToken)
            row.field(seconds: end)
            row.field(seconds: max(0, end - lastToken))
            row.field(Int64(tokens))
            row.field(Int64(stages))
            row.field(bytes)
        }
    }
}
