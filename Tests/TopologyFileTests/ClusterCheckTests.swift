import Models
import Testing

@testable import TopologyFile

@Suite("A cluster is refused")
struct ClusterCheckTests {
    private func found(_ text: String) -> [String] {
        mistakes("workload: {arrivals: {poisson: 5/s}, requests: 10}\nmodel: llama-3.1-8b\ndefaults: {device: h100-sxm}\n" + text)
    }

    @Test("when requests cannot reach or leave a pool")
    func roles() {
        #expect(
            found("pools: {a: {role: prefill}}") == [
                "4:19: no request can leave the prefill pool 'a', expected a pool with the role decode, ep or attention"
            ])
        #expect(found("pools: {a: {role: decode}}") == ["4:19: no request can reach the decode pool 'a', expected a pool with the role prefill"])
        let mixed = found("pools:\n  a: {role: prefill}\n  b: {role: decode}\n  c: {role: colocated}")
        #expect(mixed == ["7:13: the pool 'c' is colocated next to 'a', which is prefill, expected either colocated pools or prefill and decode"])
        #expect(found("pools: {a: {role: prefill}, b: {role: decode}, c: {role: decode}}") == [])
    }

    @Test("when it has too many nodes, or a pool is called like a node")
    func nodes() {
        #expect(found("pools: {a: {role: colocated, count: 4094}}") == [])
        #expect(
            found("pools: {a: {role: colocated, count: 4000}, b: {role: colocated, count: 95}}")
                == ["4:37: found 4097 nodes with the client and the controller, expected at most 4096"])
        #expect(
            found("pools: {a: {role: colocated, count: 12}, a-11: {role: colocated}}")
                == ["4:42: the pool 'a-11' is called like a worker of the pool 'a', expected a name that no node has"])
        #expect(found("pools: {a: {role: colocated, count: 11}, a-11: {role: colocated}}") == [])
    }

    @Test("when a policy lacks what it decides on: a predictor, or a bound")
    func needs() {
        func controller(_ text: String, _ rest: String = "") -> [String] { found("pools: {a: {role: colocated}}\n\(rest)controller: {\(text)}") }
        for policy in ["least-work", "online-lp", "{policy: bf-io, horizon: 8}", "{policy: balance-route, horizon: 8}"] {
            let mistakes = controller("routing: \(policy)")
            #expect(mistakes.count == 1 && mistakes[0].hasPrefix("5:23: the policy '") && mistakes[0].contains("expected the key 'predictor'"))
            #expect(controller("routing: \(policy)", "predictor: oracle\n") == [])
        }
        #expect(controller("routing: bf-io, decode-routing: balance-route") == [])
        #expect(controller("admission: bid-price").first?.hasPrefix("5:25: the policy 'bid-price' decides on predicted output lengths") == true)
        #expect(
            controller("admission: slo-early-reject") == [
                "5:25: the policy 'slo-early-reject' decides on the bound on the time to the first token, which is not given here, "
                    + "expected the key 'ttft' in 'slo'"
            ])
        #expect(controller("admission: slo-early-reject", "slo: {ttft: 1s}\n") == [])
    }

    @Test("when what a decision takes is no time, 0 or model")
    func decisionCost() {
        func cost(_ text: String) -> [String] { found("pools: {a: {role: colocated}}\ndecision-cost: \(text)") }
        for right in ["0", "model", "20us", "0s"] { #expect(cost(right) == []) }
        for wrong in ["free", "-1us", "5", "[]", "20 parsecs", "11s"] { #expect(cost(wrong).first?.hasPrefix("5:16: ") == true, "\(wrong)") }
    }

    @Test("when its parallelism does not divide the model or the hosts")
    func parallelism() {
        #expect(
            found("pools: {a: {role: colocated, tp: 3}}")
                == ["4:34: found tensor-parallel 3, expected a divisor of the 32 attention heads of llama-3.1-8b"])
        #expect(
            found("pools: {a: {role: colocated, pp: 33}}").first
                == "4:34: found pipeline-parallel 33, expected at most the 32 layers of llama-3.1-8b")
        #expect(
            found("pools: {a: {role: colocated, tp: 4, pp: 3}}")
                == ["4:34: found a worker of 12 devices, expected at most the 8 devices of a host or a multiple of them"])
        #expect(found("pools: {a: {role: colocated, tp: 8, pp: 3}}") == [])
    }

    @Test("when the model does not fit in the devices' memory")
    func memory() {
        let tight = found("pools: {a: {role: colocated, model: llama-3.1-70b, tp: 1}}")
        #expect(tight.count == 1)
        #expect(tight.first?.contains("the model llama-3.1-70b does not fit in the pool 'a': found 141.1GB of weights and 3.5GB of reserve") == true)
        #expect(tight.first?.hasSuffix("; it fits with tensor-parallel 2") == true, "\(tight)")
        #expect(found("pools: {a: {role: colocated, model: llama-3.1-70b, tp: 4}}") == [])
        let large = found("pools: {a: {role: colocated, engine: {kv-memory: 70GiB}}}")
        #expect(large.count == 1 && large[0].hasPrefix("4:50: the model llama-3.1-8b does not fit in the pool 'a'"), "\(large)")
        #expect(
            found("pools: {a: {role: colocated, engine: {kv-memory: 1MiB}}}").first?.hasPrefix("4:50: the cache of the pool 'a' holds no block")
                == true)
        #expect(
            found("pools: {a: {role: colocated, engine: {max-model-length: 200000}}}")
                == ["4:57: found max-model-length 200000, expected at most the context limit 131072 of llama-3.1-8b"])
    }

    @Test("when no request could be accepted")
    func lengths() {
        let text = "pools: {a: {role: colocated, engine: {max-model-length: 600}}}"
        #expect(found(text).first?.hasPrefix("1:11: found requests of at least 640 tokens, expected some of at most 600") == true, "\(found(text))")
        #expect(found(text.replacing("600", with: "640")) == [])
    }

    @Test("when its pools run models whose caches differ")
    func models() {
        let text = "pools: {a: {role: prefill}, b: {role: decode, model: opt-13b}}"
        #expect(found(text).first?.hasPrefix("4:54: the pool 'b' runs opt-13b and 'a' runs llama-3.1-8b, whose cache differs") == true)
        // The same model with smaller weights has the same cache.
        #expect(found("pools: {a: {role: prefill}, b: {role: decode, model: {base: llama-3.1-8b, weight-element-bytes: 1}}}") == [])
    }

    @Test("but no model of the catalogue is, on devices enough")
    func catalogue() {
        for model in ModelCatalog.names {
            for device in DeviceCatalog.names {
                let found = mistakes(
                    """
                    model: \(model)
                    pools: {w: {role: colocated, device: \(device), tp: 8, pp: 16}}
                    workload: {arrivals: {poisson: 5/s}, requests: 10}
                    """)
                #expect(found == [], "\(model) on \(device)")
            }
        }
    }
}
