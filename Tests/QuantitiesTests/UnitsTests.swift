import Quantities
import Testing

@Suite("Units")
struct UnitsTests {
    @Test(
        "read values exactly",
        arguments: [("5us", 5_000), ("1.5ms", 1_500_000), ("1h", 3_600_000_000_000), ("0.1ns", 0), ("0.5ns", 1), ("2 s", 2_000_000_000)])
    func durations(text: String, value: Int64) throws {
        #expect(try UnitScale.duration.parse(text) == value)
    }

    @Test("tell bits from bytes and powers of ten from powers of two")
    func sizes() throws {
        #expect(try UnitScale.bandwidth.parse("400Gb/s") == 50_000_000_000)
        #expect(try UnitScale.bandwidth.parse("50GB/s") == 50_000_000_000)
        #expect(try UnitScale.bytes.parse("80GiB") == 85_899_345_920)
        #expect(try UnitScale.bytes.parse("80GB") == 80_000_000_000)
    }

    @Test("refuse what is no value and say why")
    func refused() {
        #expect(throws: UnitError.noNumber) { try UnitScale.duration.parse("fast") }
        #expect(throws: UnitError.noUnit) { try UnitScale.duration.parse("5") }
        #expect(throws: UnitError.unknownUnit("uss", nearest: "us")) { try UnitScale.duration.parse("5uss") }
        #expect(throws: UnitError.outOfRange) { try UnitScale.duration.parse("9999999999999h") }
        #expect(throws: UnitError.outOfRange) { try UnitScale.bytes.parse("99999999999999999999999999999999B") }
    }

    @Test("print values that read back as themselves")
    func roundTrip() throws {
        var random = RandomStream(seed: 3, stream: 3)
        for scale in [UnitScale.duration, .bytes, .bandwidth, .memoryBandwidth] {
            for value in [0, 1, 999, 1_000, 1_500_000, 1 << 30, 85_899_345_920, Int64.max, -5] {
                #expect(try scale.parse(scale.format(value)) == value)
            }
            for _ in 0..<200 {
                let value = Int64(truncatingIfNeeded: random.next() >> UInt64(1 + random.below(60)))
                #expect(try scale.parse(scale.format(value)) == value)
            }
        }
        #expect(UnitScale.duration.format(1_500_000) == "1.5ms")
        #expect(UnitScale.bandwidth.format(50_000_000_000) == "400Gb/s")
    }

    @Test("of rates and of computation print doubles that read back as themselves")
    func doubles() throws {
        var random = RandomStream(seed: 4, stream: 3)
        for _ in 0..<500 {
            let rate = random.unit() * 1000
            #expect(try RateUnit.parse(RateUnit.format(rate)) == rate)
            let compute = (1 + random.unit()) * 1e14
            #expect(try ComputeUnit.parse(ComputeUnit.format(compute)) == compute)
            let small = random.unit() * 1e-9
            #expect(Double(plainText(small)) == small && !plainText(small).contains("e"))
        }
        #expect(ComputeUnit.format(989e12) == "989TFLOP/s")
        #expect(try RateUnit.parse("300/min") == 5)
    }
}

@Suite("The nearest name")
struct NearestTests {
    @Test("is the one with the fewest slips, if few")
    func slips() {
        #expect(nearest("jqs", among: ["fcfs", "jsq"]) == "jsq")
        #expect(nearest("cont", among: ["role", "count"]) == "count")
        #expect(nearest("VIRTUAL", among: ["virtual"]) == "virtual")
        #expect(nearest("layer", among: ["after-prefill", "layerwise"]) == "layerwise")
        #expect(nearest("zzz", among: ["role", "count"]) == nil)
        #expect(nearest("", among: ["a"]) == nil)
        #expect(nearest("a", among: []) == nil)
        #expect(nearest(String(repeating: "a", count: 10_000), among: ["a"]) == nil)
    }
}
