import Quantities

/// Measured iteration times that replace the roofline.
public struct MeasuredTable: Sendable, Equatable {
    /// A batch and the time it took.
    public struct Row: Sendable, Equatable {
        /// Tokens of a prefill batch, or requests of a decode batch.
        public var size: Int64
        /// Mean context of a decode batch in tokens; 0 for prefill.
        public var context: Int64
        public var time: Nanoseconds

        public init(size: Int64, context: Int64, time: Nanoseconds) {
            self.size = size
            self.context = context
            self.time = time
        }
    }

    /// Where it was read from.
    public var path: String
    /// Rows by size (then context), at least one of each phase that the worker runs.
    public var prefill: [Row]
    public var decode: [Row]

    public init(path: String, prefill: [Row], decode: [Row]) {
        self.path = path
        self.prefill = prefill
        self.decode = decode
    }
}
