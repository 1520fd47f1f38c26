import Cluster
import Models
import Quantities
import TestKit
import Testing

@testable import Nodes

/// Cache transfer of one request against closed forms. S: bytes over bandwidth; t: the prefill iteration; L: layers.
@Suite("Cache transfer")
struct TransferTests {
    private struct Transfer {
        var prefillEnd: Instant
        var iteration: Nanoseconds
        /// The pull's and the cache's way.
        var pull: MessageRecord
        var cache: MessageRecord
        var row: RequestRecord
    }

    private let latency: Nanoseconds = 5_000

    private func transfer(_ mode: TransferMode, bandwidth: BytesPerSecond, prompt: Int = 4000) throws -> Transfer {
        let engine = EnginePlan(transfer: mode)
        var links = LinkPlan()
        links.interNode = LinkClass(latency: latency, bandwidth: bandwidth)
        var plan = testPlan([testPool(.prefill, engine: engine), testPool(.decode, engine: engine)], links: links, prompt: prompt, output: 2)
        plan.hosts.devicesPerHost = 1
        let records = runInProcess(plan).records
        let prefill = try #require(records.iterationRows.first { $0.node == "prefill-0" })
        return Transfer(
            prefillEnd: prefill.end, iteration: prefill.end - prefill.start, pull: try #require(records.messageRows.first { $0.channel == "pull" }),
            cache: try #require(records.messageRows.first { $0.channel == "cache" }), row: try #require(records.requestRows.first))
    }

    private func time(_ bandwidth: BytesPerSecond, prompt: Int = 4000) -> Double {
        Double(prompt) * Double(testModel.cacheBytesPerToken) / Double(bandwidth) * 1e9
    }

    /// From slow links, where the port is the bottleneck, to fast ones, where the last layer is all that remains.
    static let bandwidths: [BytesPerSecond] = [1_000_000_000, 4_000_000_000, 8_000_000_000, 50_000_000_000, 400_000_000_000]

    /// The pull of the long prompt is there before the prompt itself is, that of the short one when its iteration has begun.
    @Test("layer-wise, the time exposed after the prefill is max(S - t (L - 1) / L, S / L) and the latency", arguments: bandwidths, [4000, 500])
    func layerwise(bandwidth: BytesPerSecond, prompt: Int) throws {
        let transfer = try transfer(.layerwise, bandwidth: bandwidth, prompt: prompt)
        let (size, iteration, layers) = (time(bandwidth, prompt: prompt), Double(transfer.iteration), Double(testModel.layers))
        let exposed = max(size - iteration * (layers - 1) / layers, size / layers)
        #expect(abs(Double(transfer.cache.delivered - transfer.prefillEnd - latency) - exposed) < 4)
    }

    @Test("layer-wise covers both cases of the closed form")
    func cases() throws {
        let iteration = Double(try transfer(.layerwise, bandwidth: 1_000_000_000).iteration)
        #expect(time(Self.bandwidths[0]) > iteration)
        #expect(time(Self.bandwidths[4]) < iteration / 10)
    }

    @Test("after the prefill, the cache takes the latency and S, the record of it the pull's way too", arguments: bandwidths)
    func afterPrefill(bandwidth: BytesPerSecond) throws {
        let transfer = try transfer(.afterPrefill, bandwidth: bandwidth)
        #expect(transfer.cache.sent == transfer.pull.delivered)
        #expect(transfer.pull.sent > transfer.prefillEnd)
        #expect(abs(Double(transfer.cache.delivered - transfer.cache.sent - latency) - time(bandwidth)) < 2)
        #expect(transfer.row.kvTransfer == transfer.cache.delivered - transfer.pull.sent)
    }

    @Test("the second token never comes before the cache")
    func order() throws {
        for mode in TransferMode.allCases {
            let transfer = try transfer(mode, bandwidth: 4_000_000_000)
            #expect(transfer.row.finish > transfer.cache.delivered)
            #expect(transfer.row.firstToken > transfer.prefillEnd)
        }
    }

    @Test("layer-wise saves what it hides: the answer ends earlier by the time that the transfer overlaps")
    func saving() throws {
        let after = try transfer(.afterPrefill, bandwidth: 8_000_000_000)
        let layers = try transfer(.layerwise, bandwidth: 8_000_000_000)
        #expect(layers.iteration == after.iteration)
        let finish = (after.row.finish - after.prefillEnd, layers.row.finish - layers.prefillEnd)
        let delivery = (after.cache.delivered - after.prefillEnd, layers.cache.delivered - layers.prefillEnd)
        #expect(finish.0 - finish.1 == delivery.0 - delivery.1)
        #expect(delivery.1 < delivery.0 / 2)
    }
}
