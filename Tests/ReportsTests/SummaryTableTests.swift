import Quantities
import Records
import Reports
import Terminal
import Testing

@Suite("The summary for people")
struct SummaryTableTests {
    private func summary(workers: Int, clock: String = "virtual") -> Summary {
        var summary = Summary(name: "pd-4x8", clock: clock, seed: 1, nodes: workers + 2)
        summary.duration = 3581.25
        summary.wall = 41.2
        summary.requests.offered = 19_366
        summary.requests.done = 19_366
        summary.ttft = Distribution(count: 1, mean: 0.0821, p50: 0.0612, p90: 0.1534, p99: 0.41, max: 1.318)
        summary.tbt = Distribution(count: 1, mean: 0.0143, p50: 0.0139, p90: 0.0171, p99: 0.0222, max: 0.151)
        summary.e2e = Distribution(count: 1, mean: 3.1, p50: 2.4, p90: 6.7, p99: 12.3, max: 18.9)
        summary.network.kvTransfer = Distribution(count: 1, mean: 0.0031, p50: 0.0026, p90: 0.0066, p99: 0.012, max: 0.031)
        summary.network.messages = 1_234_567
        summary.network.bytesModelled = 4_123_456_789_012
        summary.throughput.requestsPerSecond = 5.41
        summary.throughput.outputTokensPerSecond = 1143
        summary.throughput.totalTokensPerSecond = 7300
        summary.goodput = Summary.Goodput(objective: "ttft<=0.5s tbt<=0.05s", requestsPerSecond: 5.34, attainment: 0.9871)
        summary.energy = 21_400_000
        summary.energyPerOutputToken = 5.23
        summary.slip.p99 = 0.0011
        summary.slip.shareOfMedianIteration = 0.079
        summary.digest = "9f2c4d6a8b1e3f57"
        for index in 0..<workers {
            var worker = Summary.Worker(name: index < 4 ? "prefill-\(index)" : "decode-\(index - 4)", role: index < 4 ? "prefill" : "decode")
            worker.busyFraction = Double(index) / 100
            worker.kvPeakFraction = index == 5 ? 0.93 : 0.5
            worker.preemptions = 2
            worker.iterations = 1000
            summary.workers.append(worker)
        }
        return summary
    }

    private func lines(_ summary: Summary) -> [String] {
        SummaryTable(summary, folder: "runs/pd-4x8-1-9f2c4d6a").text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test("it fits 80 columns and ends with the run's folder", arguments: [0, 12, 16, 17, 300])
    func width(_ workers: Int) {
        let lines = lines(summary(workers: workers, clock: "wall"))
        for line in lines { #expect(line.count <= 80, "\(line)") }
        #expect(lines.suffix(2) == ["runs/pd-4x8-1-9f2c4d6a", ""])
        #expect(lines[0] == "pd-4x8  wall clock, seed 1, \(workers + 2) nodes")
    }

    @Test("every figure stands beside its name")
    func figures() {
        let text = SummaryTable(summary(workers: 12), folder: nil).text
        let lines = text.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        for line in [
            "3,581 s emulated in 41.2 s, 86.9x real time", "latency mean p50 p90 p99 max", "TTFT 82.1 ms 61.2 ms 153 ms 410 ms 1.32 s",
            "requests 19,366 offered, 19,366 done, 0 rejected, 0 failed", "goodput 5.34 requests/s: 98.7% met ttft<=0.5s tbt<=0.05s",
            "network 1,234,567 messages for 4.12 TB", "energy 21.4 MJ, 5.23 J per output token", "decode-1 decode 5.0% 93.0% 2 1,000",
        ] { #expect(lines.contains(line), "\(line)\n\(text)") }
        #expect(!text.contains("slip"))
    }

    @Test("many workers are shown as pools: mean load, highest peak, summed counts")
    func pools() {
        let lines = lines(summary(workers: 24))
        #expect(lines.contains { $0.hasPrefix("prefill (4)") && $0.hasSuffix("1.5%    50.0%            8       4,000") })
        #expect(lines.contains { $0.hasPrefix("decode (20)") && $0.hasSuffix("13.5%    93.0%           40      20,000") })
    }

    private func withBarriers(workers: Int) -> Summary {
        var summary = summary(workers: workers)
        for place in summary.workers.indices { summary.workers[place].barrierIdleFraction = 0.25 }
        var barrier = Summary.Barrier()
        barrier.count = 1_234_567_890
        barrier.idleFraction = 0.31
        barrier.attentionStragglerFraction = 0.12
        barrier.expertStragglerFraction = 0.16
        barrier.networkFraction = 0.03
        barrier.computeFraction = 0.69
        barrier.wait = Distribution(count: 1, mean: 0.000123, p50: 0.0001, p90: 0.0002, p99: 0.00045, max: 1)
        barrier.last = [("prefill-0", 10), ("prefill-1", 0), ("decode-0", 60), ("decode-1", 10), ("decode-2", 20)].map { .init(name: $0, times: $1) }
        summary.barrier = barrier
        var experts = Summary.Experts()
        experts.imbalance = Distribution(count: 1, mean: 1.208, p50: 1.2, p90: 1.3, p99: 1.34, max: 2)
        experts.routedTokens = 123_456_789_012
        experts.droppedTokens = 1_234
        experts.replans = 1_234
        experts.fetchedBytes = 4_123_456_789_012
        summary.experts = experts
        return summary
    }

    @Test("barriers and experts have a block of their own where ranks share layers", arguments: [12, 24])
    func barriers(workers: Int) {
        let lines = lines(withBarriers(workers: workers))
        for line in lines { #expect(line.count <= 80, "\(line)") }
        let words = lines.map { $0.split(separator: " ").joined(separator: " ") }
        for line in [
            "barriers 1,234,567,890 waits, 123 us on average, p99 450 us", "ranks 69.0% computing, 31.0% idle in iterations",
            "idle for attention 12.0%, experts 16.0%, network 3.0%", "last decode-0 60.0%, decode-2 20.0%, prefill-0 10.0%, …",
            "experts max/mean load 1.21, p99 1.34; 123,456,789,012 routed, 1,234 dropped",
            "placement made anew 1,234 times, 4.12 TB of weights moved",
            workers == 12 ? "decode-1 decode 5.0% 25.0% 93.0% 2 1,000" : "decode (20) decode 13.5% 25.0% 93.0% 40 20,000",
        ] { #expect(words.contains(line), "\(line)\n\(lines.joined(separator: "\n"))") }
        #expect(!SummaryTable(summary(workers: 12), folder: nil).text.contains("barrier"))
    }

    @Test("barriers at which nobody waited show dashes and no names")
    func noWaits() {
        var summary = summary(workers: 2)
        summary.barrier = Summary.Barrier()
        summary.experts = Summary.Experts()
        let text = SummaryTable(summary, folder: nil).text
        #expect(text.contains("barriers  0 waits\n"))
        #expect(!text.contains("last"))
        #expect(!text.contains("nan"))
    }

    @Test("a run that slipped or was interrupted says so before anything else")
    func warnings() {
        var slipped = summary(workers: 2, clock: "wall")
        slipped.slip.shareOfMedianIteration = 0.1
        #expect(!lines(slipped)[0].hasPrefix("SLIPPED"))
        slipped.slip.shareOfMedianIteration = 0.45
        #expect(lines(slipped)[0] == "SLIPPED: the host fell behind the model by 45.0% of a median iteration (p99).")
        slipped.incomplete = true
        #expect(lines(slipped)[0].hasPrefix("INCOMPLETE"))
        slipped.clock = "virtual"
        #expect(!lines(slipped).contains { $0.hasPrefix("SLIPPED") })
    }

    @Test("a run without a figure shows a dash")
    func empty() {
        let text = SummaryTable(Summary(name: "x", clock: "inproc", seed: 0, nodes: 0), folder: nil).text
        #expect(text.contains("-"))
        #expect(!text.contains("nan"))
    }
}
