import Foundation
import Records
import Testing

@Suite("JSON text")
struct JSONTests {
    @Test("what is written reads back the same through an independent reader")
    func roundTrip() throws {
        let texts = ["", "plain", "quote \" backslash \\ slash /", "line\nfeed\ttab\r\u{8}\u{c}\u{1}\u{1f}", "Grüße 北京 😀", "\u{2028}"]
        let numbers: [Double] = [0, -0.0, 1, 0.1, 1.0 / 3, 1e-5, 1e-300, .leastNonzeroMagnitude, 1.7976931348623157e308, 123456789.125, 1e16, -2.5]
        let value: JSONValue = [
            "texts": .array(texts.map(JSONValue.string)), "numbers": .array(numbers.map(JSONValue.number)), "empty": .array([]), "none": .object([]),
            "yes": .bool(true), "no": .bool(false), "nothing": .null, "whole": .integer(.min), "large": .unsigned(.max),
        ]
        for layout in [JSONValue.Layout.compact, .pretty] {
            let read = try #require(try JSONSerialization.jsonObject(with: Data(value.text(layout).utf8)) as? [String: Any])
            #expect(read["texts"] as? [String] == texts)
            #expect(read["numbers"] as? [Double] == numbers)
            #expect((read["whole"] as? NSNumber)?.int64Value == .min)
            #expect((read["large"] as? NSNumber)?.uint64Value == .max)
            #expect(read["nothing"] is NSNull)
            #expect(read["yes"] as? Bool == true)
        }
    }

    @Test("every finite number reads back to the same bits")
    func exactNumbers() throws {
        var word: UInt64 = 1
        for _ in 0..<2000 {
            word = word &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let number = Double(bitPattern: word)
            guard number.isFinite else { continue }
            #expect(Double(JSONValue.number(number).text())?.bitPattern == word)
        }
    }

    @Test("numbers that JSON cannot hold become null")
    func notANumber() {
        #expect(JSONValue.array([.number(.nan), .number(.infinity), .number(-.infinity)]).text() == "[null,null,null]")
    }

    @Test("members keep their order and the pretty layout puts one on a line")
    func layout() {
        let value: JSONValue = ["b": .integer(1), "a": ["c": .array([.integer(1), "x"])]]
        #expect(value.text() == #"{"b":1,"a":{"c":[1,"x"]}}"#)
        #expect(value.text(.pretty) == "{\n  \"b\": 1,\n  \"a\": {\n    \"c\": [\n      1,\n      \"x\"\n    ]\n  }\n}")
    }
}
