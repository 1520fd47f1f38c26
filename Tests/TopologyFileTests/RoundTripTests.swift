import Cluster
import Foundation
import Models
import Quantities
import TestKit
import Testing

@testable import TopologyFile

@Suite("A resolved topology")
struct RoundTripTests {
    @Test("reads back as an equal plan, for every bundled topology")
    func bundled() throws {
        for path in try bundledPaths() {
            let plan = try TopologyReader.read(path: path).get().plan
            let text = TopologyWriter.text(plan)
            let back = try TopologyReader.read(Array(text.utf8), path: "/elsewhere/topology.yaml").get().plan
            #expect(back == plan, "\(path):\n\(text)")
            #expect(TopologyWriter.text(back) == text)
        }
    }

    @Test("reads back as an equal plan, for generated ones")
    func generated() throws {
        for number in 0..<200 {
            let plan = generatedPlan(UInt64(number))
            let text = TopologyWriter.text(plan)
            let back = try TopologyReader.read(Array(text.utf8), path: "/elsewhere/topology.yaml").get().plan
            #expect(back == plan, "plan \(number):\n\(text)")
        }
    }

    /// A property that no key carries would be lost on the way to a node's process.
    @Test("has a key for every stored property")
    func completeness() {
        func expect<Value>(_ value: Value, _ codec: Codec<Value>) {
            guard case .mapping(let entries)? = codec.write(value)?.content else {
                Issue.record("\(Value.self) is written as no mapping")
                return
            }
            let properties = Mirror(reflecting: value).children.compactMap(\.label)
            #expect(entries.count == properties.count, "\(Value.self): \(properties) against \(entries.map(\.key))")
        }
        for model in ModelCatalog.all { expect(model, ModelGrammar.codec) }
        for device in DeviceCatalog.all { expect(device, DeviceGrammar.codec) }
        expect(EnginePlan(), PoolGrammar.engine)
        expect(ControllerPlan(), ClusterGrammar.controller)
        expect(LinkPlan(), ClusterGrammar.links)
        expect(HostPlan(pack: 2), ClusterGrammar.hosts)
        expect(RecordPlan(), ClusterGrammar.records)
        expect(ServiceObjective(ttft: 1_000, tbt: 1_000, e2e: 1_000), ClusterGrammar.objective)
        // Name, role and table stand elsewhere: name as the key, table only where there is one.
        let pool = generatedPlan(1).pools[0]
        #expect(Mirror(reflecting: pool).children.count == PoolGrammar.keys.count + 1)
        // Of a mixture, the gate and its popularity are read as drafts.
        #expect(Mirror(reflecting: MixturePlan()).children.count == MixtureGrammar.keys.count)
        #expect(Mirror(reflecting: GatePlan()).children.count == GateGrammar.keys.count)
        #expect(Mirror(reflecting: BalancePlan()).children.count == MixtureGrammar.balanceKeys.count)
        // Version, model and defaults are no part of a plan.
        #expect(Mirror(reflecting: generatedPlan(1)).children.count == TopologyGrammar.keys.count - 3)
    }

    @Test("keeps every model and device of the catalogue and odd numbers to the last bit")
    func shapes() throws {
        var random = RandomStream(seed: 9, stream: 9)
        for model in ModelCatalog.all {
            for var device in DeviceCatalog.all {
                device.computeEfficiency = random.unit() + 1e-9
                device.flops16 = 1e12 + random.unit() * 1e15
                device.idlePower = random.unit() * 100
                device.nicBandwidth = 1_000_000 + Int64(random.below(1_000_000_000))
                device.source = "odd: \"quotes\", \\, # and: \u{1F600} \n lines"
                var plan = generatedPlan(2)
                let engine = EnginePlan(maxBatch: 7, memoryUtilization: 0.1 + 0.7)
                plan.pools = [
                    PoolPlan(
                        name: "w", role: .colocated, count: 1, model: model, device: device, tensorParallel: 8, pipelineParallel: 16, engine: engine)
                ]
                plan.workload.arrivals = .gamma(rate: random.unit() * 10 + 0.1, burstiness: random.unit() + 0.1)
                plan.workload.promptTokens = .empirical([.init(tokens: 5, weight: random.unit() + 1e-6), .init(tokens: 6, weight: 1.0 / 3)])
                let text = TopologyWriter.text(plan)
                let back = try TopologyReader.read(Array(text.utf8), path: "/elsewhere/topology.yaml").get().plan
                #expect(back == plan, "\(text)")
            }
        }
    }

    @Test("is read in a few milliseconds")
    func speed() throws {
        let plan = try TopologyReader.read(path: packageRoot + "/Topologies/pd-4x8.yaml").get().plan
        let text = Array(TopologyWriter.text(plan).utf8)
        let clock = ContinuousClock()
        let times = (0..<10).map { _ in clock.measure { _ = TopologyReader.read(text, path: "/elsewhere/topology.yaml") } }.sorted()
        print("resolved pd-4x8, \(text.count) bytes: read in \(times[5])")
    }
}
