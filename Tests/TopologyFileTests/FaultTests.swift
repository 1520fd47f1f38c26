import Cluster
import Foundation
import Policies
import Quantities
import TestKit
import Testing

@testable import TopologyFile

@Suite("Faults in a topology")
struct FaultTests {
    private static let second: Nanoseconds = 1_000_000_000

    /// A cluster of two prefill and four decode workers, two hosts of four in two racks, with these faults.
    static func cluster(_ faults: String, workload: String = "requests: 10", more: String = "") -> String {
        """
        model: llama-3.1-8b
        defaults: {device: h100-sxm}
        hosts: {devices-per-host: 4, hosts-per-rack: 1}
        pools: {prefill: {role: prefill, count: 2}, decode: {role: decode, count: 4}}
        workload: {arrivals: {poisson: 5/s}, \(workload)}
        \(more)
        \(faults.isEmpty ? "" : "faults:\n" + faults.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))
        """
    }

    /// Writes files into a folder of their own.
    static func folder(_ files: [String: String]) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("faults-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (name, text) in files { try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/" + name)) }
        return folder
    }

    @Test("are read as they stand")
    func events() throws {
        let text = Self.cluster(
            """
            events:
              - {at: 10s, kill: decode-1}
              - {at: 11s, kill: decode-2, restart: 20s}
              - {at: 5s, hang: [prefill-0, client], for: 2s}
              - {at: 5s, slow: decode-0, factor: 3, for: 10s}
              - {at: 9s, preempt: decode-3, grace: 30s, restart: 60s}
              - {at: 9s, link: decode-0, to: [prefill-0], latency: 5ms, bandwidth: 0.1, loss: 0.01, retransmission: 100ms, for: 10s}
              - {at: 9s, partition: [decode-0, decode-1], from: controller, for: 3s}
              - {at: 2s, partition: rack-0, for: 1s}
              - {at: 1s, kill: host-1, restart: 1s}
            random:
              - {kill: decode, mtbf: 600s, distribution: exponential, restart: 30s}
              - {hang: client, mtbf: 600s, distribution: {weibull: 0.7}, for: 2s}
            until: 1h
            """,
            more: "recovery: {policy: recompute, heartbeat: 10ms, timeout: 2s, retries: 1, patience: 3s, standby: true, start-up: {base: 4s, "
                + "tier: remote, bandwidth: 12GB/s}}")
        let plan = try read(text).get()
        let second = Self.second
        func node(_ name: String) -> FaultTarget { .node(name) }
        let link = LinkFault(latency: 5_000_000, bandwidth: 0.1, loss: 0.01, retransmission: 100_000_000)
        let expected: [FaultSpec] = [
            FaultSpec(at: 10 * second, kind: .kill(restart: nil), targets: [node("decode-1")]),
            FaultSpec(at: 11 * second, kind: .kill(restart: 20 * second), targets: [node("decode-2")]),
            FaultSpec(at: 5 * second, kind: .hang(2 * second), targets: [node("prefill-0"), node("client")]),
            FaultSpec(at: 5 * second, kind: .slow(factor: 3, duration: 10 * second), targets: [node("decode-0")]),
            FaultSpec(at: 9 * second, kind: .preempt(grace: 30 * second, restart: 60 * second), targets: [node("decode-3")]),
            FaultSpec(at: 9 * second, kind: .link(link, peers: [node("prefill-0")], duration: 10 * second), targets: [node("decode-0")]),
            FaultSpec(
                at: 9 * second, kind: .partition(peers: [node("controller")], duration: 3 * second), targets: [node("decode-0"), node("decode-1")]),
            FaultSpec(at: 2 * second, kind: .partition(peers: [], duration: second), targets: [.rack(0)]),
            FaultSpec(at: second, kind: .kill(restart: second), targets: [.host(1)]),
        ]
        for (found, expected) in zip(plan.faults.events, expected) { #expect(found == expected) }
        #expect(plan.faults.events.count == expected.count)
        #expect(
            plan.faults.random == [
                RandomFaults(role: .decode, kind: .kill(restart: 30 * second), meanTime: 600 * second),
                RandomFaults(role: .client, kind: .hang(2 * second), meanTime: 600 * second, shape: 0.7),
            ])
        #expect(plan.faults.until == 3_600 * second)
        #expect(
            plan.recovery
                == RecoveryPlan(
                    policy: PolicyChoice("recompute"), heartbeat: 10_000_000, timeout: 2 * second, retries: 1, patience: 3 * second, hasStandby: true,
                    startUp: StartUpPlan(base: 4 * second, tier: .remote, bandwidth: 12_000_000_000)))
    }

    @Test("are none, and recovery is the usual one, in a topology without them")
    func absent() throws {
        let plan = try read(Self.cluster("")).get()
        #expect(plan.faults == FaultPlan() && plan.recovery == RecoveryPlan())
    }

    @Test("read back equal when written, for generated plans")
    func roundTrip() throws {
        var kinds: [String: Int] = [:]
        let gangs = try ["moe-ep32", "afd-4a4e"].map { try TopologyReader.read(path: packageRoot + "/Topologies/\($0).yaml").get().plan }
        for number in 0..<300 {
            var plan = number % 3 == 0 ? gangs[number % 2] : generatedPlan(UInt64(number))
            plan.faults = generatedFaultPlan(UInt64(number), for: plan)
            plan.recovery = generatedRecovery(UInt64(number))
            // Ranks keep their caches.
            if number % 3 == 0, plan.copiesCaches { plan.recovery.policy = PolicyChoice("token-migration") }
            let text = TopologyWriter.text(plan)
            let back = try TopologyReader.read(Array(text.utf8), path: "/elsewhere/topology.yaml").get().plan
            #expect(back == plan, "plan \(number):\n\(text)")
            for event in plan.faults.events { kinds[event.kind.name, default: 0] += 1 }
        }
        // The plans that agree are not all empty.
        #expect(kinds.count == 6 && kinds.values.allSatisfy { $0 > 50 }, "\(kinds)")
    }

    @Test("have a key for every property of recovery and of a start")
    func completeness() {
        func keys<Value>(_ value: Value, _ codec: Codec<Value>) -> Int? {
            guard case .mapping(let entries)? = codec.write(value)?.content else { return nil }
            return entries.count
        }
        #expect(keys(RecoveryPlan(), RecoveryGrammar.codec) == Mirror(reflecting: RecoveryPlan()).children.count)
        #expect(keys(StartUpPlan(), RecoveryGrammar.startUp) == Mirror(reflecting: StartUpPlan()).children.count)
        // A trace is no part of a plan: its events are.
        #expect(FaultGrammar.keys.count == Mirror(reflecting: FaultPlan()).children.count + 1)
    }

    @Test("from a recorded trace are kills and preemptions, and are written as such")
    func trace() throws {
        let folder = try Self.folder([
            "trace.csv": """
            time_s,node,event
            # Twice down, the second time with a notice.
            1.5,decode-0,down
            2,decode-1,notice
            4.000000001,decode-0,up
            5,decode-1,down
            6,rack-0,notice
            7,decode-0,notice
            7,decode-1,up
            8,decode-0,down
            70,rack-0,down

            """
        ])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func plan(_ workload: String) throws -> ClusterPlan {
            let text = Self.cluster("trace: trace.csv\nevents: [{at: 1s, kill: controller, restart: 1s}]", workload: workload)
            return try TopologyReader.read(Array(text.utf8), path: folder + "/topology.yaml").get().plan
        }
        let second = Self.second
        let expected: [FaultSpec] = [
            FaultSpec(at: second, kind: .kill(restart: second), targets: [.node("controller")]),
            FaultSpec(at: second * 3 / 2, kind: .kill(restart: second * 5 / 2 + 1), targets: [.node("decode-0")]),
            FaultSpec(at: 2 * second, kind: .preempt(grace: 3 * second, restart: 2 * second), targets: [.node("decode-1")]),
        ]
        // Rack 0 has the notice before decode-0 in it: what comes later than the workload is left out, and both are.
        let short = try plan("duration: 5s")
        #expect(short.faults.events == expected)
        let text = TopologyWriter.text(short)
        #expect(!text.contains("trace.csv"))
        #expect(try TopologyReader.read(Array(text.utf8), path: "/elsewhere/topology.yaml").get().plan == short)
    }

    @Test("of a file take the place of the topology's, and settings change them")
    func file() throws {
        let folder = try Self.folder([
            "topology.yaml": Self.cluster(
                "events: [{at: 1s, kill: decode-0, restart: 1s}]\nuntil: 5s", more: "recovery: {retries: 7, standby: true}"),
            "faults.yaml": "events: [{at: 2s, kill: decode-1, restart: 1s}]\ntrace: trace.csv\n",
            "recovery.yaml": "recovery: {retries: 9}\n",
            "trace.csv": "time_s,node,event\n3,decode-2,down\n4,decode-2,up\n",
        ])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/topology.yaml"
        let faults = try TopologyReader.read(path: path, faults: folder + "/faults.yaml").get().plan
        #expect(faults.faults.events.map(\.targets) == [[.node("decode-1")], [.node("decode-2")]])
        #expect(faults.faults.until == nil && faults.recovery.retries == 7)
        let recovery = try TopologyReader.read(path: path, faults: folder + "/recovery.yaml").get().plan
        #expect(recovery.faults == FaultPlan() && recovery.recovery.retries == 9 && !recovery.recovery.hasStandby)
        let set = try TopologyReader.read(path: path, settings: ["faults.events.0.at=9s"], faults: folder + "/faults.yaml").get().plan
        #expect(set.faults.events.first?.at == 9 * Self.second)
        #expect(try TopologyReader.read(path: path).get().plan.faults.until == 5 * Self.second)
    }
}
