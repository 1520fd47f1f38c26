import Cluster
import Foundation
import Policies
import TestKit
import Testing
import TopologyFile
import Workload

/// Clusters whose workers share their layers with others, each in a process of its own.
@Suite("Gangs in processes", .serialized)
struct GangTests {
    struct Setting: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var attention = 2
        var experts: Int?
        var prefill = false
        var transfer = ExpertTransfer.pointToPoint
        var policy = "contiguous"
        var granularity = LayerGranularity.exact
        var microBatches = 1
        var kernel = ExchangeKernel.perExpert

        func plan(requests: Int) -> ClusterPlan {
            var mixture = MixturePlan(granularity: granularity, microBatches: microBatches, transfer: transfer, kernel: kernel)
            mixture.balance = BalancePlan(policy: PolicyChoice(policy), redundantExperts: 4, replanInterval: 20_000_000)
            var plan = gangPlan(attention: attention, experts: experts, mixture: mixture, devicesPerHost: 2)
            if prefill {
                var pool = testPool(.prefill)
                pool.model = testMixture
                plan.pools.insert(pool, at: 0)
            }
            plan.workload = WorkloadPlan(
                arrivals: .poisson(rate: 100), promptTokens: .uniform(from: 10, through: 200), outputTokens: .uniform(from: 1, through: 8),
                requestLimit: requests)
            plan.records = RecordPlan(iterations: true, messages: true, timeline: false, layers: true)
            return plan
        }
    }

    static let settings = [
        Setting(testDescription: "two ranks that hold both, a new plan now and then", policy: "eplb"),
        Setting(testDescription: "two-phase transfer between two and two", experts: 2, transfer: .twoPhase, policy: "aebs", microBatches: 2),
        Setting(testDescription: "prefill worker, attention nodes and expert nodes", experts: 2, prefill: true, microBatches: 3),
        Setting(testDescription: "loads of an iteration", experts: 2, policy: "aebs", granularity: .iteration),
        Setting(testDescription: "loads of two layers", attention: 4, policy: "token-balanced", granularity: .grouped(2)),
        // So many that the first one passes messages on.
        Setting(testDescription: "four ranks that hold both", attention: 4, policy: "aebs"),
        Setting(testDescription: "tokens once to each of two hosts", attention: 4, policy: "eplb", microBatches: 2, kernel: .perHost),
    ]

    @Test("virtual, twice, and inproc give the same digest, and the same record of every layer", arguments: settings)
    func sameDigest(setting: Setting) throws {
        let program = try Program()
        try program.write(TopologyWriter.text(setting.plan(requests: 12)), to: "plan.yaml")
        for (clock, folder) in [("virtual", "a"), ("virtual", "b"), ("inproc", "c")] {
            let outcome = try program.run(
                "up", program.path("plan.yaml"), "--clock", clock, "--record", "iterations,messages,layers", "--out", program.path(folder), "--quiet",
                limit: 30)
            try #require(outcome.code == 0, "\(outcome.error)")
        }
        let digest = try program.digest("a")
        #expect(digest.count == 32)
        #expect(try program.digest("b") == digest)
        #expect(try program.digest("c") == digest)
        for file in ["requests.csv", "iterations.csv", "messages.csv", "layers.csv"] {
            let text = try program.read("a/" + file)
            #expect(try program.read("c/" + file) == text, "\(file)")
            #expect(text.split(separator: "\n").count > 12)
        }
        let requests = try #require(try program.json("a/summary.json")["requests"] as? [String: Int])
        #expect(requests["offered"] == 12)
        #expect(requests["done"] == 12)
        #expect(program.processes.isEmpty)
    }

    /// In the middle of an iteration, with the others waiting for its messages.
    @Test(
        "go on when a rank is killed, with the account balanced and without a process left",
        arguments: [(1, 3), (1, 4), (5, 2)])
    func killed(setting: Int, node: Int) throws {
        let program = try Program()
        try program.write(TopologyWriter.text(Self.settings[setting].plan(requests: 100_000_000)), to: "plan.yaml")
        let run = try program.start(["up", program.path("plan.yaml"), "--out", program.path("run"), "--record", "iterations"])
        #expect(program.within(30) { program.nodes.count == 6 && program.isUnderWay() }, "the nodes did not start")
        usleep(200_000)
        kill(try #require(program.nodes[node]), SIGKILL)
        usleep(500_000)
        kill(run.process, SIGINT)
        let outcome = try program.finish(run, limit: 30)
        #expect(outcome.code == 130, "\(outcome.error)")
        let summary = try program.json("run/summary.json")
        let requests = try #require(summary["requests"] as? [String: Int])
        let ended = ["done", "rejected", "failed"].reduce(0) { $0 + (requests[$1] ?? 0) }
        #expect(requests["offered"] == ended)
        #expect(program.processes.isEmpty)
    }

    @Test("end on an interrupt while they wait for a rank that is stopped")
    func stopped() throws {
        let program = try Program()
        try program.write(TopologyWriter.text(Self.settings[0].plan(requests: 100_000_000)), to: "plan.yaml")
        let run = try program.start(["up", program.path("plan.yaml"), "--out", program.path("run"), "--record", "iterations"])
        #expect(program.within(30) { program.nodes.count == 4 && program.isUnderWay() }, "the nodes did not start")
        usleep(100_000)
        kill(try #require(program.nodes[3]), SIGSTOP)
        usleep(100_000)
        kill(run.process, SIGINT)
        #expect(try program.finish(run, limit: 30).code == 130)
        #expect(program.processes.isEmpty)
    }
}
