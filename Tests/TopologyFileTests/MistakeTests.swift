import Foundation
import Testing

@testable import TopologyFile

/// A mistake: the text at whose first occurrence it must be placed, and the beginning of its message.
typealias Mistake = (at: String, says: String)

/// Expects exactly these mistakes in `text`, each at the place of its text.
func expect(_ text: String, _ expected: [Mistake], sourceLocation: SourceLocation = #_sourceLocation) {
    var missing = mistakes(text)
    for mistake in expected {
        guard let start = text.range(of: mistake.at)?.lowerBound else {
            Issue.record("the text has no \(mistake.at)", sourceLocation: sourceLocation)
            continue
        }
        let before = text[..<start].split(separator: "\n", omittingEmptySubsequences: false)
        let line = "\(before.count):\((before.last ?? "").count + 1): \(mistake.says)"
        guard let index = missing.firstIndex(where: { $0.hasPrefix(line) }) else {
            Issue.record("expected \(line)\nfound\n\(missing.joined(separator: "\n"))", sourceLocation: sourceLocation)
            continue
        }
        missing.remove(at: index)
    }
    #expect(missing.isEmpty, "\(missing.joined(separator: "\n"))", sourceLocation: sourceLocation)
}

@Suite("A topology with mistakes")
struct MistakeTests {
    @Test("has ten of them reported in one pass, each at its place")
    func ten() {
        let text = """
            # Ten mistakes.
            version: 1
            model: llama-3.1-70
            seed: -1
            pools:
              prefill: {role: prefil, count: 0, device: h100-sxm, tensor-paralel: 4}
              decode: {role: decode, device: h100-sxm, engine: {kv-memory: 80, max-batch: many}}
            controller:
              routing: jqs
            links: {inter-node: {latency: 0s}}
            workload: {trace: traces/nowhere.csv}
            """
        let found = mistakes(text)
        let places = found.map { $0.prefix { $0 != " " } }
        #expect(places == ["3:8:", "4:7:", "6:19:", "6:34:", "6:55:", "7:64:", "7:79:", "9:12:", "10:31:", "11:19:"])
        #expect(found[0].hasSuffix("did you mean 'llama-3.1-70b'?"))
        #expect(found[7].hasPrefix("9:12: unknown policy 'jqs', expected one of ") && found[7].hasSuffix("did you mean 'jsq'?"))
    }

    @Test("in its top level")
    func topLevel() {
        expect(
            "clock: vitual\ndilation: 0\nversion: 2\nslo: {}\nhosts: {devices-per-host: 0}\nname: a/b\n" + small,
            [
                ("vitual", "unknown clock 'vitual', expected one of virtual, wall, inproc; did you mean 'virtual'?"),
                ("0\n", "found '0', expected a number from 0.001 to 1000000"), ("2\n", "found '2', expected the version 1"),
                ("{}", "found an slo without a bound, expected ttft, tbt or e2e"), ("0}", "found '0', expected a number of devices from 1 to 1024"),
                ("a/b", "found 'a/b', expected a name of letters"),
            ])
        expect("seed: 1\n", [("seed", "found no key 'pools' in a topology"), ("seed", "found no key 'workload' in a topology")])
        expect("hosts: {pack: 0}\n" + small, [("0}", "found '0', expected a number of workers from 1 to 1024")])
        expect("sede: 1\n" + small, [("sede", "unknown key 'sede' in a topology, expected one of version, name, model")])
        expect("seed: 18446744073709551616\n" + small, [("18446", "found '18446744073709551616', expected a whole number from 0")])
        expect("slo: {ttft: 0.5}\n" + small, [("0.5", "found '0.5' without a unit, expected a time such as 50ms")])
    }

    @Test("in its links")
    func links() {
        expect(
            "links: {inter-nod: {}, intra-node: {latency: 11s}, inter-rack: {latency: 5us, bandwidth: 400Gb}, control: {bandwidth: 0Gb/s}}\n" + small,
            [
                (
                    "inter-nod:",
                    "unknown key 'inter-nod' in links, expected one of intra-node, inter-node, inter-rack, control; did you mean 'inter-node'?"
                ),
                ("11s", "found '11s', expected a time from 1ns to 10s"),
                ("400Gb", "found '400Gb' with the unknown unit 'Gb', expected a bandwidth such as 400Gb/s"),
                ("0Gb/s", "found '0Gb/s', expected a bandwidth from"),
            ])
    }

    @Test("in its policies")
    func policies() {
        expect(
            "controller: {routing: {choices: 3}, decode-routing: {policy: power-of-two, choices: 65, chioces: 3}}\n" + small,
            [
                ("{choices", "found no key 'policy' in a policy, expected it with one of round-robin"),
                ("65", "found '65', expected a number from 1 to 64"),
                ("chioces", "unknown parameter 'chioces' of power-of-two, expected one of choices; did you mean 'choices'?"),
            ])
        expect(
            "controller: {routing: {policy: round-robin, choices: 2}}\n" + small,
            [("choices", "unknown parameter 'choices' of round-robin, expected none: it has no parameters")])
    }
}

@Suite("Pools with mistakes")
struct PoolMistakeTests {
    private func expectPools(_ pools: String, _ expected: [Mistake], _ location: SourceLocation = #_sourceLocation) {
        expect("pools: \(pools)\nworkload: {arrivals: {poisson: 5/s}, requests: 10}\n", expected, sourceLocation: location)
    }

    @Test("in their names and keys")
    func pools() {
        expectPools("{}", [("{}", "found no pool, expected at least one")])
        expectPools("[a]", [("[a]", "found a list, expected pools as a mapping")])
        expectPools(
            "{w: {role: colocated}}", [("w:", "found no key 'model' in the pool 'w'"), ("w:", "found no key 'device' in the pool 'w'")])
        expectPools("{client: {role: colocated, model: opt-13b, device: h100}}", [("client", "found a pool called 'client', expected another name")])
        expectPools("{W_1: {role: colocated, model: opt-13b, device: h100}}", [("W_1", "found a pool called 'W_1', expected a letter")])
        expectPools("{w: {model: opt-13b, device: h100}}", [("{model", "found no key 'role' in a pool")])
        expectPools(
            "{w: {role: client, count: 1.5, model: opt-13b, device: h100, tp: 2, tensor-parallel: 2}}",
            [
                ("client", "unknown role 'client', expected one of prefill, decode, colocated"),
                ("1.5", "found '1.5', expected a number of workers from 1 to 4096"),
                ("tensor-parallel:", "found both 'tp' and 'tensor-parallel', expected one of the two names"),
            ])
    }

    @Test("in their engines")
    func engines() {
        expectPools(
            "{w: {role: colocated, model: opt-13b, device: h100, engine: {block-size: 0, transfer: layer, memory-utilization: 1.01, scheduling: fcsf}}}",
            [
                ("0, transfer", "found '0', expected a whole number from 1 to 4096"),
                ("layer,", "unknown transfer 'layer', expected one of after-prefill, layerwise; did you mean 'layerwise'?"),
                ("1.01", "found '1.01', expected a number above 0, at most 1"),
                ("fcsf", "unknown policy 'fcsf', expected one of fcfs, fcfs-protected, sjf"),
            ])
    }

    @Test("in models and devices that they describe")
    func shapes() {
        expectPools(
            "{w: {role: colocated, device: {base: h100-sx}, model: {name: m, layers: 4, hidden: 10, query-heads: 4, kv-heads: 4, head-dimension: 8}}}",
            [
                ("h100-sx}", "unknown device 'h100-sx', expected one of"), ("{name", "found no key 'feed-forward' in a model"),
                ("{name", "found no key 'vocabulary' in a model"), ("{name", "found no key 'context-limit' in a model"),
            ])
        expectPools(
            "{w: {role: colocated, device: {base: h100, memory: 80}, model: {base: opt-13b, kv-heads: 7, attention: {latnt: 1}}}}",
            [
                ("80}", "found '80' without a unit, expected a size such as 80GiB"),
                ("latnt", "unknown attention 'latnt', expected one of latent, factorised; did you mean 'latent'?"),
            ])
        expectPools(
            "{w: {role: colocated, device: h100, model: {base: llama-3.1-8b, kv-heads: 7, sliding-layers: 99}}}",
            [
                ("7, sliding", "found 7 kv-heads, expected a divisor of the 32 query-heads"),
                ("99", "found 99 sliding-layers, expected at most the 32 layers"),
                ("{base", "found no sliding-window for 99 sliding-layers, expected one"),
            ])
        expectPools(
            "{w: {role: colocated, device: h100, model: {base: mixtral-8x7b, experts: {top-k: 9, dense-layers: 40}}, tp: 4}}",
            [
                ("9, dense", "found top-k 9, expected at most the 8 experts"), ("40}", "found 40 dense-layers, expected at most the 32 layers"),
                ("{base", "found feed-forward 0 with 40 dense-layers, expected their width"),
            ])
    }
}

@Suite("A workload with mistakes")
struct WorkloadMistakeTests {
    private func expectWorkload(_ workload: String, _ expected: [Mistake], _ location: SourceLocation = #_sourceLocation) {
        expect("workload: \(workload)\nmodel: llama-3.1-8b\npools: {w: {role: colocated, device: h100-sxm}}\n", expected, sourceLocation: location)
    }

    @Test("in its arrivals")
    func arrivals() {
        expectWorkload("{}", [("{}", "found a workload without requests, expected the key 'trace' or 'arrivals'")])
        expectWorkload(
            "{requests: 0, duration: 5}", [("0,", "found '0', expected a number of requests"), ("5}", "found '5' without a unit")])
        expectWorkload("{arrivals: 5/s, requests: 1}", [("5/s", "found '5/s', expected none or a mapping with one key of poisson")])
        expectWorkload("{arrivals: {poisson: 5/s}}", [("{poisson", "found arrivals without end, expected the key 'requests' or 'duration'")])
        expectWorkload("{arrivals: {poisson: 0/s}, requests: 5}", [("0/s", "found '0/s', expected a rate above 0")])
        expectWorkload(
            "{arrivals: {poison: 5/s}, requests: 1}",
            [("poison", "unknown arrivals 'poison', expected one of poisson, gamma, constant, piecewise, closed-loop; did you mean 'poisson'?")])
        expectWorkload(
            "{arrivals: {poisson: 5, gamma: {rate: 5}}, requests: 1}", [("gamma", "found 'gamma' next to 'poisson', expected one key of")])
        expectWorkload(
            "{arrivals: {piecewise: [{at: 5s, rate: 0/s}, {at: 2s, rate: 0/s}]}}",
            [("[{at", "found no step with a rate above 0"), ("2s", "found a step at 2s after one at 5s, expected a later time")])
        expectWorkload("{arrivals: {closed-loop: {think: 1s}}, requests: 5}", [("{think", "found no key 'concurrency' in a closed loop")])
    }

    @Test("in its lengths")
    func lengths() {
        expectWorkload(
            "{arrivals: {gamma: {burstiness: -1}}, prompt-tokens: {uniform: [5, 2]}, output-tokens: 0, requests: 1}",
            [
                ("{burst", "found no key 'rate' in gamma arrivals"), ("-1", "found '-1', expected a number above 0"),
                ("[5, 2]", "found a list, expected two lengths, the smaller one first"),
                ("0, requests", "found '0', expected a number of tokens from 1 to 10000000"),
            ])
        expectWorkload(
            "{arrivals: {poisson: 1}, prompt-tokens: {log-normal: {median: x, sigma: 1}}, output-tokens: {empirical: []}, requests: 5}",
            [("x,", "found 'x', expected a number from 1 to 10000000"), ("[]", "found a list, expected a list of 1 to 20000 lengths")])
    }

    @Test("in its trace")
    func trace() {
        expectWorkload(
            "{trace: traces/conversation-sampl.csv}",
            [("traces/", "found no file at 'traces/conversation-sampl.csv', expected a trace; did you mean 'conversation-sample.csv'?")])
        expectWorkload("{trace: traces}", [("traces}", "found a directory at 'traces', expected a trace")])
        expectWorkload(
            "{trace: traces/README.md}",
            [("traces/", "found a trace in no known format at 'traces/README.md', expected one of azure, mooncake, burstgpt")])
        expectWorkload("{trace: {file: traces/conversation-sample.csv, format: azur}}", [("azur}", "unknown format 'azur'")])
        expectWorkload("{trace: {format: azure}}", [("{format", "found no key 'file' in a trace")])
        expectWorkload(
            "{trace: traces/conversation-sample.csv, prompt-tokens: 5}", [("5}", "found prompt-tokens next to a trace, which has lengths of its own")]
        )
        expectWorkload(
            "{trace: traces/conversation-sample.csv, arrivals: {poisson: 5}, requests: 3}",
            [("{poisson", "found arrivals next to a trace, expected one of the two")])
    }
}
