import Cluster
import Quantities

/// A row of `requests.csv`, times in nanoseconds; -1 for a time that is not there.
public struct RequestRecord: Equatable, Sendable {
    public var id: Int64
    public var arrival: Instant
    public var promptTokens: Int64
    public var outputTokens: Int64
    public var prefillNode: String
    public var decodeNode: String
    public var prefillStart: Instant
    public var firstToken: Instant
    public var finish: Instant
    public var status: String
    public var preemptions: Int64
    public var kvTransfer: Nanoseconds
}

/// A row of `iterations.csv`.
public struct IterationRecord: Equatable, Sendable {
    public var node: String
    public var number: Int64
    public var start: Instant
    public var end: Instant
    public var prefillTokens: Int64
    public var decodeTokens: Int64
    public var requests: Int64
    public var waiting: Int64
    public var blocks: Int64
    public var totalBlocks: Int64
    public var preemptions: Int64
}

/// A row of `messages.csv`.
public struct MessageRecord: Equatable, Sendable {
    public var target: Int
    public var source: Int
    public var channel: String
    public var sent: Instant
    public var delivered: Instant
    public var bytes: ByteCount
}

extension RunRecords {
    /// The requests in the order in which they ended.
    public var requestRows: [RequestRecord] {
        fields(requests.split(separator: "\n")).map { row in
            RequestRecord(
                id: number(row[0]), arrival: time(row[1]), promptTokens: number(row[2]), outputTokens: number(row[3]), prefillNode: String(row[4]),
                decodeNode: String(row[5]), prefillStart: time(row[6]), firstToken: time(row[7]), finish: time(row[8]), status: String(row[9]),
                preemptions: number(row[11]), kvTransfer: time(row[13]))
        }
    }

    /// The iterations by worker, in order.
    public var iterationRows: [IterationRecord] {
        fields(iterations.map { $0[...] }).map { row in
            IterationRecord(
                node: String(row[0]), number: number(row[1]), start: time(row[2]), end: time(row[3]), prefillTokens: number(row[4]),
                decodeTokens: number(row[5]), requests: number(row[6]), waiting: number(row[7]), blocks: number(row[8]),
                totalBlocks: number(row[9]), preemptions: number(row[10]))
        }
    }

    /// The messages by receiver, in order.
    public var messageRows: [MessageRecord] {
        fields(messages.map { $0[...] }).map { row in
            MessageRecord(
                target: Int(number(row[0])), source: Int(number(row[1])), channel: String(row[3]), sent: time(row[4]), delivered: time(row[5]),
                bytes: number(row[6]))
        }
    }
}

private func fields(_ rows: [Substring]) -> [[Substring]] { rows.map { $0.split(separator: ",", omittingEmptySubsequences: false) } }

private func number(_ text: Substring) -> Int64 { Int64(text) ?? -1 }

/// A time with nine decimals.
private func time(_ text: Substring) -> Instant {
    let digits = text.filter { $0 != "." }
    return text.isEmpty ? -1 : Int64(digits) ?? -1
}
