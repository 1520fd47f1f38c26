import Quantities
import Records
import Testing

@Suite("summary.json")
struct SummaryJSONTests {
    /// The format's keys as users know them. A change here breaks their scripts.
    private static let keys = """
        name clock seed nodes duration_s wall_s requests.offered requests.done requests.rejected requests.failed requests.duplicated \
        ttft_s.mean ttft_s.p50 ttft_s.p90 ttft_s.p99 ttft_s.max tbt_s.mean tbt_s.p50 tbt_s.p90 tbt_s.p99 tbt_s.max \
        e2e_s.mean e2e_s.p50 e2e_s.p90 e2e_s.p99 e2e_s.max \
        throughput.requests_per_s throughput.output_tokens_per_s throughput.total_tokens_per_s goodput.slo goodput.requests_per_s \
        workers.prefill-0.busy_fraction workers.prefill-0.barrier_idle_fraction workers.prefill-0.kv_peak_fraction \
        workers.prefill-0.preemptions workers.prefill-0.iterations \
        network.messages network.bytes_modelled network.kv_transfer_s.mean network.kv_transfer_s.p50 network.kv_transfer_s.p90 \
        network.kv_transfer_s.p99 network.kv_transfer_s.max barrier.count barrier.idle_fraction barrier.wait_s.mean barrier.wait_s.p99 \
        experts.imbalance.mean experts.imbalance.p99 energy.joules energy.joules_per_output_token faults slip_s.p50 slip_s.p99 slip_s.max digest
        """

    private func value(_ json: JSONValue, at path: Substring) -> JSONValue? {
        path.split(separator: ".").reduce(json) { place, key in
            guard case .object(let members)? = place else { return nil }
            return members.first { $0.key == key }?.value
        }
    }

    private func emptySummary() -> Summary {
        var summary = Summary(name: "x", clock: "virtual", seed: .max, nodes: 3)
        summary.workers = [Summary.Worker(name: "prefill-0", role: "prefill")]
        return summary
    }

    @Test("every key of the format is there, even when the run measured nothing")
    func keysPresent() {
        let json = emptySummary().json
        for key in Self.keys.split(separator: " ") { #expect(value(json, at: key) != nil, "\(key) is missing") }
        #expect(json.text().contains(#""seed":18446744073709551615"#))
    }

    @Test("numbers are found by their dotted path, missing ones without a value")
    func paths() {
        var summary = emptySummary()
        summary.ttft = Distribution(count: 1, mean: 1, p50: 2, p90: 3, p99: 4, max: 5)
        let numbers = summary.json.numbersByPath
        func number(_ path: String) -> Double?? { numbers.first { $0.path == path }.map(\.value) }
        #expect(number("ttft_s.p99") == .some(4))
        #expect(number("tbt_s.p99") == .some(nil))
        #expect(number("workers.prefill-0.iterations") == .some(0))
        #expect(number("name") == nil)
        #expect(Set(numbers.map(\.path)).count == numbers.count)
    }
}
