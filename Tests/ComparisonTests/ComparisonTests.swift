import Comparison
import Quantities
import Terminal
import Testing

@Suite("A comparison")
struct ComparisonTests {
    private func design(_ metric: Metric = Metric("e2e_s.mean"), seeds: Int = 3) throws -> Comparison.Design {
        Comparison.Design(
            name: "small", clock: "inproc", variations: [try Variation("controller.routing=a,b,c")], metric: metric,
            seeds: (1...UInt64(seeds)).map { $0 })
    }

    private func run(_ value: Double?, bound: Double? = nil) -> ComparedRun { ComparedRun(folder: "f", value: value, bound: bound) }

    private let values = [["a"], ["b"], ["c"]]

    @Test("pairs runs by seed: a difference smaller than the spread over seeds is found")
    func paired() throws {
        let runs = [[1.0, 5.0, 9.0], [1.1, 5.1, 9.1], [1.5, 4.9, 9.1]].map { $0.map { run($0) } }
        let comparison = Comparison(try design(), values: values, runs: runs, baseline: nil)
        #expect(comparison.rows.map(\.variant) == [0, 1, 2])
        #expect(comparison.baseline == 0)
        #expect(comparison.rows.map { comparison.verdict($0) } == [.baseline, .worse, .notSignificant])
        // Differences 0.5, -0.1, 0.1: mean 1/6, variance 0.0933, error sqrt(0.0933 / 3), times 4.302653.
        let difference = try #require(comparison.rows[2].difference)
        #expect(abs(difference.mean - 1.0 / 6) < 1e-12)
        #expect(abs(try #require(difference.halfWidth) - 0.758_917) < 2e-6)
    }

    @Test("sorts by what is better for the metric, and compares to the baseline that was named")
    func direction() throws {
        let runs = [[1.0, 1.0, 1.0], [3.0, 3.0, 3.0], [2.0, 2.0, 2.0]].map { $0.map { run($0) } }
        let comparison = Comparison(try design(Metric("throughput.requests_per_s")), values: values, runs: runs, baseline: 2)
        #expect(comparison.rows.map(\.variant) == [1, 2, 0])
        #expect(comparison.rows.map { comparison.verdict($0) } == [.better, .baseline, .worse])
        #expect(Metric("ttft_s.p99").lowerIsBetter && Metric("requests.failed").lowerIsBetter && Metric("energy.joules").lowerIsBetter)
        #expect(!Metric("goodput.attainment").lowerIsBetter && !Metric("workers.decode-0.busy_fraction").lowerIsBetter)
        #expect(!Metric("ttft_s.p99", lowerIsBetter: false).lowerIsBetter)
    }

    @Test("goes on without runs that failed: pairs what both have, and takes no variant for the best that lacks runs")
    func failures() throws {
        let runs: [[ComparedRun?]] = [[run(1), nil, nil], [run(2), run(3), run(4)], [nil, nil, run(nil)]]
        let comparison = Comparison(try design(), values: values, runs: runs, baseline: nil)
        #expect(comparison.baseline == 1)
        #expect(comparison.rows.map(\.variant) == [0, 1, 2])
        #expect(comparison.rows[0].difference?.mean == -1)
        #expect(comparison.rows.map { comparison.verdict($0) } == [.unknown, .baseline, .unknown])
        #expect(comparison.rows[2].mean == nil)
        let text = comparison.text(.plain)
        #expect(text.contains("1/3") && text.contains("0/3"))
    }

    @Test("has the ratio to the bound, and finds a run that beats it")
    func bounds() throws {
        let runs = [
            [run(2, bound: 1), run(4, bound: 3), run(3)], [run(1, bound: 2), run(2, bound: 2), run(2, bound: 2)], [run(5), run(5), run(5)],
        ]
        let comparison = Comparison(try design(), values: values, runs: runs, baseline: nil)
        let ratios = comparison.rows.sorted { $0.variant < $1.variant }.map(\.ratio)
        #expect(ratios[0] == 1.5)
        #expect(ratios[2] == nil)
        #expect(comparison.beaten.map(\.variant) == [1])
        #expect(comparison.beaten.map(\.seed) == [1])
    }

    @Test("quotes fields of a table for other programs that hold commas")
    func csv() throws {
        let named = [["{policy: a, x: 1}"], ["say \"b\""], ["c"]]
        let runs = [[1.0], [2.0], [4.0]].map { $0.map { run($0) } }
        let lines = Comparison(try design(seeds: 1), values: named, runs: runs, baseline: nil).csv.split(separator: "\n")
        #expect(lines[0] == "controller.routing,runs,e2e_s.mean,difference,half_width,verdict,bound,ratio")
        #expect(lines[1] == "\"{policy: a, x: 1}\",1,1.0,,,baseline,,")
        #expect(lines[2] == "\"say \"\"b\"\"\",1,2.0,1.0,,unknown,,")
    }

    @Test("says that one seed tells nothing of chance, and that a trace is the same for every seed")
    func notes() throws {
        let runs = [[1.0], [2.0], [4.0]].map { $0.map { run($0) } }
        #expect(Comparison(try design(seeds: 1), values: values, runs: runs, baseline: nil).text(.plain).contains("One seed"))
        var recorded = try design(seeds: 2)
        recorded.isRecordedWorkload = true
        let twice = runs.map { $0 + $0 }
        let comparison = Comparison(recorded, values: values, runs: twice, baseline: nil)
        #expect(comparison.text(.plain).contains("recorded trace"))
        let same = Comparison(recorded, values: values, runs: [twice[0], twice[0], twice[1]], baseline: nil)
        #expect(same.verdict(same.rows[1]) == .same)
    }
}
