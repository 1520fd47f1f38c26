import Quantities

/// Rows that nodes have written and their shell has not yet taken to the disk. Nodes that share a process share one, so that their
/// rows come in the order of events.
public final class RecordBuffers {
    public var requests = TextBuffer()
    public var iterations = TextBuffer()
    public var messages = TextBuffer()
    /// Cache transfers, for the timeline.
    public var transfers = TextBuffer()
    /// Layers of ranks that share them.
    public var layers = TextBuffer()

    /// Requests that were begun again after a fault.
    public var restarts = TextBuffer()
    /// Requests that moved between workers in the middle of their answers.
    public var migrations = TextBuffer()

    public init() {}

    /// Bytes held in all.
    public var count: Int { requests.count + iterations.count + messages.count + transfers.count + layers.count + restarts.count + migrations.count }
}
