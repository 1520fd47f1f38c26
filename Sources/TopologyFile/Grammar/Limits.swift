import Quantities

/// What no cluster exceeds: a value outside is a slip of the pen.
enum Limits {
    /// Workers of a pool, and nodes in all.
    static let nodes = 4_096
    /// 1 ns to 10 s: a latency of zero would leave the clock no window.
    static let latency: ClosedRange<Nanoseconds> = 1...10_000_000_000
    /// 1 kB/s to 1,000 TB/s.
    static let bandwidth: ClosedRange<BytesPerSecond> = 1_000...1_000_000_000_000_000
    /// 1 MiB to 1,024 TiB.
    static let memory: ClosedRange<ByteCount> = (1 << 20)...(1 << 50)
    /// 1 us to 10,000 hours, in which instants are far from their end.
    static let span: ClosedRange<Nanoseconds> = 1_000...36_000_000_000_000_000
    /// The longest prompt or output, in tokens.
    static let tokens = 1...10_000_000
}
