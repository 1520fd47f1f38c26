import Quantities

/// A time for each channel.
public struct ChannelTimes: Sendable, Equatable {
    private var times: InlineArray<21, Instant> = .init(repeating: .never)

    public init() {}

    /// The same time for every channel.
    public init(repeating time: Instant) { times = .init(repeating: time) }

    /// The time of a channel.
    public subscript(channel: Channel) -> Instant {
        @inline(__always) get { times[Int(channel.rawValue)] }
        @inline(__always) set { times[Int(channel.rawValue)] = newValue }
    }

    /// Keeps the earlier of the time held and `time`.
    @inline(__always)
    public mutating func lower(_ channel: Channel, to time: Instant) {
        if time < self[channel] { self[channel] = time }
    }

    public static func == (left: ChannelTimes, right: ChannelTimes) -> Bool {
        Channel.allCases.allSatisfy { left[$0] == right[$0] }
    }
}
