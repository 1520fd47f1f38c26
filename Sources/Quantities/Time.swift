/// A point on the emulated clock: nanoseconds since the start of the run.
public typealias Instant = Int64

/// A length of emulated time in nanoseconds.
public typealias Nanoseconds = Int64

/// A size in bytes.
public typealias ByteCount = Int64

/// A rate of transfer in bytes per second.
public typealias BytesPerSecond = Int64

extension Instant {
    /// Later than anything that can happen in a run. Half of the range, so that adding a latency cannot overflow.
    public static let never: Instant = .max / 2
}

/// Nanoseconds in one second.
public let nanosecondsPerSecond: Nanoseconds = 1_000_000_000

/// Rounds a time in seconds to nanoseconds, upwards from a half; at least 0 and at most `Instant.never`.
///
/// A value that is not a number counts as 0: inputs are checked before they get here.
@inlinable
public func nanoseconds(fromSeconds seconds: Double) -> Nanoseconds {
    let scaled = (seconds * 1e9).rounded(.toNearestOrAwayFromZero)
    guard scaled > 0 else { return 0 }
    return scaled >= Double(Instant.never) ? .never : Nanoseconds(scaled)
}

/// A time in nanoseconds as seconds, for statistics and for people. Records print integers instead.
@inlinable
public func seconds(_ time: Nanoseconds) -> Double { Double(time) / 1e9 }

/// The time that `bytes` occupy a link of `rate` bytes per second, in nanoseconds, rounded up; at most `Instant.never`.
///
/// Integer arithmetic with a 128-bit product, so that every machine gets the same bit pattern.
@inlinable
public func transmissionTime(_ bytes: ByteCount, at rate: BytesPerSecond) -> Nanoseconds {
    guard bytes > 0, rate > 0 else { return 0 }
    let product = bytes.magnitude.multipliedFullWidth(by: nanosecondsPerSecond.magnitude)
    if product.high == 0 {
        // Most links of most runs: a division of 64 bits takes a fraction of the other one.
        let (quotient, remainder) = product.low.quotientAndRemainder(dividingBy: rate.magnitude)
        return quotient < Instant.never.magnitude ? Nanoseconds(quotient) + (remainder == 0 ? 0 : 1) : .never
    }
    guard product.high < rate.magnitude else { return .never }
    let (quotient, remainder) = rate.magnitude.dividingFullWidth(product)
    guard quotient < Instant.never.magnitude else { return .never }
    return Nanoseconds(quotient) + (remainder == 0 ? 0 : 1)
}

extension Int64 {
    /// The sum, or the nearest number there is: for counts and times that come from a file.
    public func addingClamped(_ other: Int64) -> Int64 {
        let (sum, isTooLarge) = addingReportingOverflow(other)
        guard isTooLarge else { return sum }
        return other < 0 ? .min : .max
    }
}
