import Cluster
import Foundation
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

    @Test("is read in a few milliseconds")
    func speed() throws {
        let plan = try TopologyReader.read(path: packageRoot + "/Topologies/pd-4x8.yaml").get().plan
        let text = Array(TopologyWriter.text(plan).utf8)
        let clock = ContinuousClock()
        let times = (0..<10).map { _ in clock.measure { _ = TopologyReader.read(text, path: "/elsewhere/topology.yaml") } }.sorted()
        print("resolved pd-4x8, \(text.count) bytes: read in \(times[5])")
    }
}
