import Quantities

/// Rows that a node has written and its shell has not yet taken to the disk.
public struct RecordBuffers: Sendable {
    public var requests = TextBuffer()
    public var iterations = TextBuffer()
    public var messages = TextBuffer()
    /// Cache transfers, for the timeline.
    public var transfers = TextBuffer()

    public init() {}

    /// Bytes held in all.
    public var count: Int { requests.count + iterations.count + messages.count + transfers.count }
}
