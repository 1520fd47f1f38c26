import Foundation
import Testing

@testable import Models

/// The network figures of the table in `Sources/Models/README.md`, checked.
@Suite struct NetworkAccuracyTests {
    static let ranges: [(name: String, range: Range<Double>)] = [
        ("up to 64 KiB", 0..<65_537), ("to 1 MiB", 65_537..<1_048_577), ("to 16 MiB", 1_048_577..<16_777_217), ("above", 16_777_217..<1e12),
    ]

    private func allReduce(_ device: DeviceShape, ranks: Double, bytes: Double) -> Double {
        let moved = 2 * (ranks - 1) / ranks * bytes / Double(device.scaleUpBandwidth) * 1e9
        return min(
            Double(device.collectiveLatency) + moved / device.collectiveEfficiency,
            Double(device.bulkCollectiveLatency) + moved / device.bulkCollectiveEfficiency)
    }

    private func check(_ name: String, _ points: [(bytes: Double, modelled: Double, measured: Double)], _ bounds: [(Double, Double)?]) {
        for ((label, range), bound) in zip(Self.ranges, bounds) {
            guard let bound else { continue }
            var errors = RelativeErrors()
            for point in points where range.contains(point.bytes) { errors.add(modelled: point.modelled, measured: point.measured) }
            if errors.count > 0 { errors.check("\(name), \(label)", median: bound.0, p90: bound.1) }
        }
    }

    @Test("a small all-reduce takes what the one-step kernel takes on H100")
    func oneStep() throws {
        guard let rows = MeasuredData.rows("network/aic_h100_custom_allreduce.csv") else { return }
        let device = try #require(DeviceCatalog.named("h100"))
        let points = rows.filter { $0["backend"] == "vllm_graph" }.map { row in
            (
                row.number("message_size"), allReduce(device, ranks: row.number("num_gpus"), bytes: row.number("message_size")),
                row.number("latency_ms") * 1e6
            )
        }
        check("h100 all-reduce, one step", points, [(0.06, 0.2), (0.18, 0.36), (0.25, 0.5)])
    }

    @Test("a large all-reduce takes what the collective library takes", arguments: ["a100", "h100"])
    func library(name: String) throws {
        guard let rows = MeasuredData.rows("network/vidur_\(name)_dgx_all_reduce.csv") else { return }
        let device = try #require(DeviceCatalog.named(name))
        let points = rows.filter { $0["num_workers"] == $0["devices_per_node"] }.map { row in
            (
                row.number("size"), allReduce(device, ranks: row.number("num_workers"), bytes: row.number("size")),
                row.number("time_stats.all_reduce.median") * 1e6
            )
        }
        check("\(name) all-reduce, library", points, [nil, nil, (0.13, 0.3), (0.04, 0.12)])
    }

    @Test(
        "send and receive follow latency plus bytes at a share of the port", arguments: [("a100", 25e9, 20_000, 0.3), ("h100", 50e9, 25_000, 0.75)])
    func betweenNodes(name: String, port: Double, latency: Double, share: Double) throws {
        guard let rows = MeasuredData.rows("network/vidur_\(name)_dgx_send_recv.csv") else { return }
        let points = rows.filter { $0["devices_per_node"] == "1" }.map { row in
            (row.number("size"), latency + row.number("size") / (port * share) * 1e9, row.number("time_stats.send_recv.median") * 1e6)
        }
        check("\(name) send and receive between nodes", points, [(0.45, 0.55), (0.11, 0.36), (0.03, 0.11), (0.05, 0.13)])
    }

    @Test("inside a node send and receive follow latency plus bytes", arguments: [("a100", 300e9, 12_000, 0.9), ("h100", 450e9, 7_000, 0.8)])
    func insideNode(name: String, port: Double, latency: Double, share: Double) throws {
        guard let rows = MeasuredData.rows("network/vidur_\(name)_dgx_send_recv.csv") else { return }
        let points = rows.filter { $0["devices_per_node"] == "2" }.map { row in
            (row.number("size"), latency + row.number("size") / (port * share) * 1e9, row.number("time_stats.send_recv.median") * 1e6)
        }
        check("\(name) send and receive inside a node", points, [(0.19, 0.51), (0.19, 0.26), (0.11, 0.16), (0.12, 0.13)])
    }
}
