import Foundation
import Quantities
import Testing

@Test("whole numbers are written as Swift writes them")
func integersAreDecimal() {
    var random = RandomStream(seed: 31, stream: 0)
    var numbers: [Int64] = [0, 1, -1, 9, 10, -10, 99, 100, .max, .min]
    numbers += (0..<1_000).map { _ in Int64(bitPattern: random.next()) >> Int64(random.below(64)) }
    for number in numbers {
        var text = TextBuffer()
        text.append(number)
        #expect(String(decoding: text.bytes, as: UTF8.self) == "\(number)")
    }
}

@Test("times are written as seconds with nine decimals and read back exactly")
func secondsHaveNineDecimals() throws {
    let known: [(Int64, String)] = [
        (0, "0.000000000"), (1, "0.000000001"), (-1, "-0.000000001"), (1_000_000_000, "1.000000000"), (-1_500_000_000, "-1.500000000"),
        (.max, "9223372036.854775807"), (.min, "-9223372036.854775808"),
    ]
    for (time, expected) in known {
        var text = TextBuffer()
        text.append(seconds: time)
        #expect(String(decoding: text.bytes, as: UTF8.self) == expected)
    }
    var random = RandomStream(seed: 32, stream: 0)
    for _ in 0..<1_000 {
        let time = Int64(bitPattern: random.next()) >> Int64(random.below(64))
        var text = TextBuffer()
        text.append(seconds: time)
        let decimal = try #require(Decimal(string: String(decoding: text.bytes, as: UTF8.self)))
        #expect(decimal * 1_000_000_000 == Decimal(time))
    }
}

@Test("text, characters and bytes follow one another, and the buffer can be used again")
func buffersAppend() {
    var text = TextBuffer(capacity: 4)
    text.append("a\u{e9}")
    text.append(ascii: UInt8(ascii: ","))
    text.append(contentsOf: [0x62, 0x0a])
    #expect(text.bytes == Array("aé,b\n".utf8))
    #expect(text.count == 6)
    text.removeAll()
    #expect(text.bytes.isEmpty)
}
