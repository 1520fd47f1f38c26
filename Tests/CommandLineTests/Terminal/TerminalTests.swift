import Terminal
import Testing

@Suite("Terminal")
struct TerminalTests {
    private func capabilities(_ isTerminal: Bool, _ environment: [String: String] = [:], columns: Int = 120) -> Capabilities {
        Capabilities(isTerminal: isTerminal, columns: columns) { environment[$0] }
    }

    @Test("colour needs a terminal that is not dumb and nobody who objects")
    func colour() {
        #expect(capabilities(true).style.usesColour)
        #expect(capabilities(true, ["NO_COLOR": ""]).style.usesColour)
        #expect(!capabilities(true, ["NO_COLOR": "1"]).style.usesColour)
        #expect(!capabilities(true, ["TERM": "dumb"]).style.usesColour)
        #expect(!capabilities(true, ["TERM": "dumb"]).isTerminal)
        #expect(!capabilities(false).style.usesColour)
        #expect(capabilities(true, ["NO_COLOR": "1"]).isTerminal)
        #expect(Style.plain.bold("x") == "x")
        #expect(Style(usesColour: true).red("x") == "\u{1b}[31mx\u{1b}[0m")
    }

    @Test("the width is the terminal's, else COLUMNS, else 80")
    func width() {
        #expect(capabilities(true).columns == 120)
        #expect(capabilities(false, ["COLUMNS": "70"], columns: 0).columns == 70)
        #expect(capabilities(false, ["COLUMNS": "x"], columns: 0).columns == 80)
        #expect(capabilities(false, ["COLUMNS": "-5"], columns: 0).columns == 80)
        #expect(capabilities(true, columns: 1).columns == 20)
    }

    @Test("columns line up on their side and lines end without white space")
    func table() {
        var table = TextTable([.init("name"), .init("count", .right), .init("")])
        table.add(["a", "1"])
        table.add(["longer", "12,345", "é"])
        #expect(table.lines() == ["name     count", "a            1", "longer  12,345  é"])
        #expect(TextTable([]).lines() == [])
    }

    @Test(
        "times have three digits and the unit that suits them",
        arguments: [
            (0, "0 s"), (1e-9, "1.00 ns"), (9.994e-7, "999 ns"), (9.996e-7, "1.00 us"), (0.0821, "82.1 ms"), (0.9996, "1.00 s"), (9.996, "10.0 s"),
            (99.96, "100 s"), (1.318, "1.32 s"), (1234.4, "1,234 s"), (-0.5, "-500 ms"), (.nan, "-"), (1e-12, "0.001 ns"),
        ])
    func times(_ seconds: Double, _ expected: String) { #expect(Figures.time(seconds) == expected) }

    @Test("counts, sizes, energies, shares and clocks read as people write them")
    func figures() {
        #expect(Figures.count(.min) == "-9,223,372,036,854,775,808")
        #expect([0, 999, 1000, 1_234_567].map { Figures.count($0) } == ["0", "999", "1,000", "1,234,567"])
        #expect([0, 999, 1_000, 12_345_678_901].map { Figures.bytes($0) } == ["0 B", "999 B", "1.00 kB", "12.3 GB"])
        #expect([0, 0.5, 3412, 1.2e6].map { Figures.energy($0) } == ["0 J", "500 mJ", "3.41 kJ", "1.20 MJ"])
        #expect([0.9118, 1, .infinity].map { Figures.share($0) } == ["91.2%", "100.0%", "-"])
        #expect([0, 123.9, 3723].map { Figures.clock($0) } == ["0:00", "2:03", "1:02:03"])
        #expect([0, 0.0004, 0.9994, 5.4321, 9.996, 12345.6].map { Figures.number($0) } == ["0.00", "0.000", "0.999", "5.43", "10.0", "12,346"])
        #expect(Figures.fixed(1e300, decimals: 2) == "1e+300")
    }
}
