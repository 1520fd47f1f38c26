import Glibc
import Launch
import Transport

/// The topologies that are measured, written out for each run of the benchmark.
struct Loads {
    let directory: String
    /// The package, for bundled topologies and traces.
    let package: String

    /// The real hour of conversations where it is at hand.
    private var azureTrace: String? {
        let path = package + "/../shared/data/traces/azure_llm_2023_conv_first2700s.csv"
        return access(path, R_OK) == 0 ? path : nil
    }

    /// What pd-4x8 is loaded with, in words.
    var hourInWords: String {
        azureTrace == nil
            ? "an hour like the Azure conversation trace: Poisson 5.4/s, log-normal lengths (the trace is not there)"
            : "the first 45 minutes of the Azure 2023 conversation trace"
    }

    /// pd-4x8 under an hour of conversations; of a Poisson hour cut to `minutes`, when the trace is not there or is not wanted whole.
    func hour(minutes: Int?) throws -> String {
        var workload = "  trace: \(azureTrace ?? "")\n"
        if azureTrace == nil || minutes != nil {
            let requests = 324 * (minutes ?? 60)
            workload = """
                  arrivals: {poisson: 5.4/s}
                  prompt-tokens: {log-normal: {median: 1020, sigma: 0.7, limit: 14000}}
                  output-tokens: {log-normal: {median: 129, sigma: 0.9, limit: 1000}}
                  requests: \(requests)

                """
        }
        return try write(
            "pd-4x8",
            """
            version: 1
            model: llama-3.1-70b
            defaults: {device: h100-sxm, tensor-parallel: 4}
            pools:
              prefill: {role: prefill, count: 4}
              decode: {role: decode, count: 8}
            controller: {routing: join-shortest-queue, decode-routing: least-kv}
            workload:
            \(workload)slo: {ttft: 1s, tbt: 50ms}

            """)
    }

    /// As many prefill as decode workers, with arrivals in proportion: 150/s at 256 workers, as in the bundled pd-128x128.
    func scaled(workers: Int, seconds: Int) throws -> String {
        let rate = 150 * Double(workers) / 256
        return try write(
            "pd-\(workers / 2)x\(workers / 2)",
            """
            version: 1
            model: llama-3.1-8b
            defaults: {device: h100-sxm}
            pools:
              prefill: {role: prefill, count: \(workers / 2)}
              decode: {role: decode, count: \(workers / 2)}
            workload:
              arrivals: {poisson: \(rate)/s}
              prompt-tokens: {log-normal: {median: 1020, sigma: 0.7, limit: 8192}}
              output-tokens: {log-normal: {median: 129, sigma: 0.9, limit: 2048}}
              requests: \(Int(rate * Double(seconds)))
            slo: {ttft: 500ms, tbt: 25ms}
            records: {timeline: false}

            """)
    }

    /// The load of the yardsticks, in words.
    let colocatedInWords = "16 colocated workers, llama-3.1-8b on one H100 each, 8,000 requests at 400/s, 1,024 prompt and 256 output tokens each"

    /// 16 colocated workers and 8,000 requests that keep batches well filled.
    func colocated(requests: Int) throws -> String {
        try write(
            "colo-16",
            """
            version: 1
            model: llama-3.1-8b
            pools:
              worker: {role: colocated, count: 16, device: h100-sxm}
            workload:
              arrivals: {poisson: 400/s}
              prompt-tokens: 1024
              output-tokens: 256
              requests: \(requests)

            """)
    }

    /// A bundled topology with fewer requests.
    func bundled(_ name: String, requests: Int) throws -> String {
        let path = "\(package)/Topologies/\(name).yaml"
        guard let file = fopen(path, "r") else { throw SystemError("open \(path)", code: errno) }
        defer { fclose(file) }
        var text = ""
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let read = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            text += read.hasPrefix("  requests: ") ? "  requests: \(requests)\n" : read
        }
        return try write(name, text)
    }

    private func write(_ name: String, _ text: String) throws -> String {
        let path = "\(directory)/\(name).yaml"
        guard let file = fopen(path, "w") else { throw SystemError("open \(path)", code: errno) }
        defer { fclose(file) }
        guard fputs(text, file) >= 0 else { throw SystemError("write \(path)", code: errno) }
        return path
    }
}
