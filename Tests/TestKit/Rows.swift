import Cluster
import Quantities
import Records

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
    /// For ranks that share their layers with others.
    public var shares: IterationShares?
}

/// A row of `layers.csv`.
public struct LayerRecord: Equatable, Sendable {
    public var node: String
    public var iteration: Int64
    public var layer: Int64
    public var microBatch: Int64
    public var isAttention: Bool
    public var start: Instant
    public var end: Instant
    public var tokens: Int64
    public var awaitedRank: Nanoseconds
    public var awaitedNetwork: Nanoseconds
    /// Index of the node whose message was the last, or -1.
    public var last: Int
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
                totalBlocks: number(row[9]), preemptions: number(row[10]), shares: shares(row[11...]))
        }
    }

    /// What ranks did in layers, by rank, in order.
    public var layerRows: [LayerRecord] {
        fields(layers.map { $0[...] }).map { row in
            LayerRecord(
                node: String(row[0]), iteration: number(row[1]), layer: number(row[2]), microBatch: number(row[3]),
                isAttention: row[4] == "attention",
                start: time(row[5]), end: time(row[6]), tokens: number(row[7]), awaitedRank: time(row[9]), awaitedNetwork: time(row[10]),
                last: Int(number(row[11])))
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

private func shares(_ row: ArraySlice<Substring>) -> IterationShares? {
    guard let first = row.first, !first.isEmpty else { return nil }
    let row = Array(row)
    var shares = IterationShares()
    shares.attention = time(row[0])
    shares.experts = time(row[1])
    shares.awaitingAttention = time(row[2])
    shares.awaitingExperts = time(row[3])
    shares.awaitingNetwork = time(row[4])
    shares.routedTokens = number(row[5])
    return shares
}

/// A time with nine decimals.
private func time(_ text: Substring) -> Instant {
    let digits = text.filter { $0 != "." }
    return text.isEmpty ? -1 : Int64(digits) ?? -1
}
