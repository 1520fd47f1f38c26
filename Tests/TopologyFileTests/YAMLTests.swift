import Testing

@testable import TopologyFile

@Suite("YAML")
struct YAMLTests {
    @Test(
        "is refused with its place when it cannot be read",
        arguments: [
            ("", "1:1: found an empty file"),
            ("# only a comment\n", "1:1: found an empty file"),
            ("~\n", "1:1: found an empty file"),
            ("a: [1\n", "2:1: invalid YAML: did not find expected ',' or ']'"),
            ("a:\n\t- b\n", "2:1: found a tab, expected spaces"),
            ("a: b: c\n", "1:5: invalid YAML: mapping values are not allowed"),
            ("- 1\n", "1:1: found a list, expected a topology as a mapping"),
            ("hello\n", "1:1: found 'hello', expected a topology as a mapping"),
            ("model: x\n---\nmodel: y\n", "2:1: found a second document"),
            ("a: *b\n", "1:4: found the alias '*b', expected an anchor '&b' before it"),
            ("bas: &base 1\na: *bse\n", "2:4: found the alias '*bse', expected an anchor '&bse' before it; did you mean '*base'?"),
            ("a: &a [*a]\n", "1:8: found the alias '*a'"),
            ("a: \u{7}\n", "1:4: found a character that YAML does not allow"),
            ("a: \"b\u{0}c\"\n", "1:6: found a character that YAML does not allow"),
            (String(repeating: "[", count: 40), "1:33: found values nested deeper than 32"),
            (String(repeating: "- ", count: 100), "found values nested deeper than 32"),
        ])
    func broken(text: String, expected: String) {
        let found = mistakes(text)
        #expect(found.count == 1 && found.first?.contains(expected) == true, "\(found)")
    }

    @Test("with aliases that multiply is refused, not expanded")
    func billionLaughs() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            let row = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(row)]\n"
        }
        #expect(mistakes(text) == ["5:10: found aliases that expand to more than 10000 values, expected fewer"])
    }

    @Test("with aliases that nest deeper and deeper is refused")
    func deepAliases() {
        let nest = { (inner: String) in String(repeating: "[", count: 20) + inner + String(repeating: "]", count: 20) }
        #expect(
            mistakes("a: &a \(nest("x"))\nb: \(nest("*a"))\n") == ["2:24: found an alias to values nested deeper than 32, expected a flatter file"])
    }

    @Test("with too many values is refused")
    func manyValues() {
        let text = "a: [" + Array(repeating: "1", count: 60_000).joined(separator: ",") + "]"
        #expect(mistakes(text).first?.contains("found more than 50000 values") == true)
    }

    @Test("has the keys of a mapping once")
    func duplicates() {
        #expect(mistakes("seed: 1\nseed: 2\n" + small) == ["2:1: found the key 'seed' again, expected it once (it stands on line 1)"])
        #expect(mistakes("seed: 1\nseed: 2\nseed: x\n" + small).count == 2)
    }

    @Test("merges mappings: what is written out wins, then the earlier one")
    func merging() throws {
        let plan = try read(
            """
            x-one: &one {role: colocated, device: h100-sxm, count: 2}
            x-two: &two {count: 3, tensor-parallel: 2}
            model: llama-3.1-8b
            pools:
              a: {<<: [*one, *two]}
              b: {<<: *one, count: 5}
            workload: {arrivals: {poisson: 5/s}, requests: 10}
            """
        ).get()
        #expect(plan.pools.map(\.count) == [2, 5])
        #expect(plan.pools.map(\.tensorParallel) == [2, 1])
        #expect(mistakes("x-a: {<<: 3}\n" + small) == ["1:11: found '3' to merge, expected a mapping or a list of mappings"])
    }

    @Test("is read with a byte order mark and with line ends of other systems")
    func marks() throws {
        #expect(try read("\u{FEFF}" + small).get() == read(small).get())
        #expect(try read(small.replacing("\n", with: "\r\n")).get() == read(small).get())
    }

    @Test("knows the booleans of version 1.2 only, and takes quoted words for text")
    func booleans() {
        #expect(mistakes(small + "\nrecords: {iterations: yes}\n") == ["5:23: found 'yes', expected true or false"])
        #expect(mistakes(small + "\nrecords: {iterations: \"true\"}\n") == ["5:23: found the text 'true', expected true or false"])
        #expect(mistakes(small + "\nrecords: {iterations: True}\n") == [])
    }

    @Test("keeps keys that begin with x- for whoever wrote them")
    func extensions() {
        #expect(mistakes(small + "\nx-notes: [1, {a: b}]\n") == [])
    }

    @Test("has no tags and no keys but names")
    func odd() {
        #expect(mistakes("seed: !foo 1\n" + small) == ["1:7: found the tag '!foo', expected a value without a tag"])
        #expect(mistakes("[a]: 1\n" + small) == ["1:1: found a list as a key, expected a name"])
    }
}
