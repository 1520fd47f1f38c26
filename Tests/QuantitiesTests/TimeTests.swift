import Foundation
import Quantities
import Testing

@Test("seconds become nanoseconds, halves away from zero, between 0 and never")
func secondsBecomeNanoseconds() {
    #expect(nanoseconds(fromSeconds: 1.5) == 1_500_000_000)
    #expect(nanoseconds(fromSeconds: 0.5e-9) == 1)
    #expect(nanoseconds(fromSeconds: 0.49e-9) == 0)
    #expect(nanoseconds(fromSeconds: -1) == 0)
    #expect(nanoseconds(fromSeconds: .nan) == 0)
    #expect(nanoseconds(fromSeconds: -.infinity) == 0)
    #expect(nanoseconds(fromSeconds: .infinity) == .never)
    #expect(nanoseconds(fromSeconds: 1e300) == .never)
    #expect(seconds(1_500_000_000) == 1.5)
}

@Test("a transmission time is the quotient of bytes and rate, rounded up")
func transmissionTimeIsExact() {
    var random = RandomStream(seed: 41, stream: 0)
    for _ in 0..<5_000 {
        let bytes = Int64(random.next() >> UInt64(1 + random.below(63)))
        let rate = Int64(random.next() >> UInt64(1 + random.below(63)))
        let time = transmissionTime(bytes, at: rate)
        guard bytes > 0, rate > 0 else {
            #expect(time == 0)
            continue
        }
        let exact = (Int128(bytes) * 1_000_000_000 + Int128(rate) - 1) / Int128(rate)
        #expect(Int128(time) == min(exact, Int128(Instant.never)))
    }
}

@Test("a transmission that takes more than 146 years takes for ever and does not trap", arguments: [1, 2, 3, 1_000, Int64.max])
func transmissionTimeSaturates(rate: Int64) {
    #expect(transmissionTime(10_000_000_000, at: 1) == .never)
    #expect(transmissionTime(.max, at: rate) == (rate == .max ? 1_000_000_000 : .never))
}
