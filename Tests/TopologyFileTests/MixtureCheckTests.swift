import Cluster
import Models
import Testing

@testable import TopologyFile

@Suite("A cluster with experts is refused")
struct MixtureCheckTests {
    private func expectPools(_ pools: String, _ expected: [Mistake], model: String = "mixtral-8x7b", _ location: SourceLocation = #_sourceLocation) {
        let head = "model: \(model)\ndefaults: {device: h100-sxm}\nworkload: {arrivals: {poisson: 5/s}, requests: 10}\n"
        expect(head + "pools: {\(pools)}\n", expected, sourceLocation: location)
    }

    @Test("when its experts do not spread evenly over the ranks")
    func spread() {
        expectPools(
            "rank: {role: ep, count: 3}",
            [("3}", "found 8 experts for the 3 ranks of the pool 'rank', expected a multiple of 3: redundant 1 gives each rank 3")])
        expectPools("rank: {role: ep, count: 3, experts: {balance: {policy: eplb, redundant: 1}}}", [])
        expectPools(
            "rank: {role: ep, count: 4, experts: {balance: {redundant: 6}}}",
            [
                (
                    "6}",
                    "found 8 experts and 6 redundant ones for the 4 ranks of the pool 'rank', expected a multiple of 4: redundant 0 gives each rank 2"
                )
            ])
        expectPools(
            "rank: {role: ep, count: 4, experts: {balance: {redundant: 28}}}",
            [("28", "found 28 redundant experts, expected at most 24: one replica of each of the 8 experts on each of the 4 ranks")])
        // The ranks that count are those with the experts.
        expectPools(
            "near: {role: attention, experts: {pool: far}}, far: {role: expert, count: 5}",
            [("5}", "found 8 experts for the 5 ranks of the pool 'far', expected a multiple of 5: redundant 2 gives each rank 2")])
    }

    @Test("when its policy cannot place them")
    func policies() {
        expectPools(
            "rank: {role: ep, count: 8, experts: {balance: lplb}}",
            [("lplb", "the policy 'lplb' cannot place the experts of the pool 'rank': found 1 experts a rank, expected at least the 2")])
        // A torus needs hosts: 32 ranks are on four, 8 on one.
        let torus = "experts: {balance: {policy: {policy: lplb, graph: 2}, redundant: 64}}"
        expectPools("rank: {role: ep, count: 32, \(torus)}", [], model: "deepseek-v3")
        expectPools("rank: {role: ep, count: 16, device: b200, \(torus)}", [], model: "deepseek-v3")
        expectPools(
            "rank: {role: ep, count: 8, device: b200, \(torus)}",
            [
                (
                    "{policy: lplb",
                    "the policy 'lplb' cannot place the experts of the pool 'rank': found 1 hosts of 8 ranks, expected a torus of 2 hosts"
                )
            ],
            model: "deepseek-v3")
    }

    @Test("when its tokens cannot go once to each host")
    func kernels() {
        expectPools("rank: {role: ep, count: 8, experts: {kernel: per-host, fabric: deepep-h100-normal, micro-batches: 2}}", [])
        expectPools("rank: {role: prefill, count: 8, experts: {kernel: per-host}}, other: {role: decode, tensor-parallel: 2}", [])
        expectPools(
            "near: {role: attention, experts: {kernel: per-host, pool: far, transfer: two-phase}}, far: {role: expert, count: 4}",
            [
                (
                    "per-host",
                    "found the kernel per-host in the attention pool 'near', expected per-expert: tokens for a pool of expert nodes go once to each "
                        + "host with the transfer two-phase"
                )
            ])
        expectPools(
            "rank: {role: ep, count: 8, experts: {fabric: deepep-h800, kernel: per-host, gate: {capacity-factor: 1.2}}}",
            [
                (
                    "per-host",
                    "found the kernel per-host with the fabric deepep-h800, expected one of links, deepep-h100-normal: it was measured with kernels that "
                        + "send for each expert"
                ),
                ("per-host", "found the kernel per-host with a capacity-factor, expected none: nobody says which tokens lose their picks"),
            ])
        expectPools(
            "rank: {role: ep, count: 8, experts: {micro-batches: 2, kernel: per-host, balance: {policy: aebs, redundant: 8}}}",
            [
                (
                    "2, kernel",
                    "found 2 micro-batches with the kernel per-host and the policy 'aebs', which decides for all ranks, expected 1, or a policy that "
                        + "each rank follows by itself"
                )
            ])
    }

    @Test("when the replicas do not fit in memory")
    func memory() {
        func deepseek(_ pools: String, _ at: String, _ says: String, _ location: SourceLocation = #_sourceLocation) {
            expectPools(pools, [(at, says)], model: "deepseek-v3", location)
        }
        // 256 experts of 44 MB in 58 layers are 653.9 GB, 81.7 GB on each of 8 ranks; the model has 17.1 GB besides.
        deepseek(
            "rank: {role: ep, count: 8}", "h100-sxm",
            "the model deepseek-v3 does not fit in the pool 'rank': found 98.9GB of weights (32 of 256 experts in each layer) and 3.5GB of reserve on "
                + "each device, expected at most 77.3GB on h100-sxm at memory-utilization 0.9; it fits with 16 workers")
        deepseek(
            "rank: {role: ep, count: 16, experts: {balance: {redundant: 128}}}", "128",
            "the model deepseek-v3 does not fit in the pool 'rank': found 78.4GB of weights (24 of 256 experts in each layer)")
        deepseek(
            "near: {role: attention, experts: {pool: far}}, far: {role: expert, count: 8}", "h100-sxm",
            "the model deepseek-v3 does not fit in the pool 'far': found 81.7GB of weights (32 of 256 experts in each layer)")
        expectPools("near: {role: attention, experts: {pool: far}}, far: {role: expert, count: 16}", [], model: "deepseek-v3")
        // An attention node holds no routed expert, an expert node no cache.
        expectPools("near: {role: attention, experts: {pool: far}}, far: {role: expert, count: 1, tp: 2}", [])
    }

    @Test("when a mixture stands where it cannot be")
    func places() {
        let dense = "which has no experts, expected a mixture-of-experts model"
        expectPools(
            "rank: {role: ep, pp: 2}, a: {role: ep, experts: {}}",
            [
                ("ep, pp", "found the role ep in the pool 'rank' with llama-3.1-8b, \(dense)"),
                ("{}}", "found the role ep in the pool 'a' with llama-3.1-8b, \(dense)"),
                ("2}, a", "found pipeline-parallel 2 with the role ep, expected 1: every rank has its part in every layer"),
            ], model: "llama-3.1-8b")
        expectPools(
            "a: {role: colocated, experts: {}}", [("{}}", "found experts in the pool 'a' with llama-3.1-8b, \(dense)")], model: "llama-3.1-8b")
        expectPools(
            "rank: {role: colocated, count: 8, experts: {micro-batches: 3, transfer: broadcast}}",
            [
                ("3,", "found 3 micro-batches in the colocated pool 'rank', expected 1 or 2"),
                ("broadcast", "found the transfer broadcast in the colocated pool 'rank', expected point-to-point"),
            ])
        expectPools(
            "rank: {role: ep, count: 8, experts: {pool: far}}",
            [("far", "found the expert pool 'far' in the ep pool 'rank', expected it in an attention pool")])
        expectPools(
            "near: {role: attention, count: 8, experts: {micro-batches: 4}}, far: {role: expert, count: 8, experts: {layers: exact}, tp: 3}",
            [
                ("{micro", "found no expert pool for the attention pool 'near', expected the key 'pool' under 'experts' with the name of one"),
                ("{layers", "found experts in the expert pool 'far', expected them in the attention pool that uses it"),
                ("expert, count", "no attention pool uses the expert pool 'far', expected one that names it as the pool of its experts"),
                ("3}", "found tensor-parallel 3, expected a divisor of the width 14336 of an expert of mixtral-8x7b"),
            ])
    }

    @Test("when an attention pool and its expert pool do not belong together")
    func pairs() {
        let far = "far: {role: expert, count: 8}"
        expectPools(
            "near: {role: attention, experts: {pool: fra}}, \(far)",
            [
                ("fra}", "found no pool 'fra', expected one of far; did you mean 'far'?"),
                ("expert, count", "no attention pool uses the expert pool 'far'"),
            ])
        expectPools(
            "near: {role: attention, experts: {pool: near}}",
            [("near}", "found the pool 'near', which is attention, expected one with the role expert")])
        expectPools(
            "a: {role: attention, experts: {pool: far}}, b: {role: attention, experts: {pool: far, layers: exact}}, \(far)",
            [("far, layers", "found the expert pool 'far' of the attention pool 'a', expected one for each")])
        expectPools(
            "near: {role: attention, experts: {pool: far}}, far: {role: expert, count: 8, model: {base: mixtral-8x7b, weight-element-bytes: 1}}",
            [("{base", "the expert pool 'far' runs mixtral-8x7b and 'near', which uses it, mixtral-8x7b of another shape, expected the same model")])
        expectPools(
            far,
            [
                ("expert,", "no attention pool uses the expert pool 'far'"),
                ("expert,", "found only expert pools, which serve no requests, expected an attention pool that uses them"),
            ])
    }

    @Test("when pools of its roles cannot share the requests")
    func roles() {
        let (ep, prefill) = ("rank: {role: ep, count: 8}", "p: {role: prefill, tp: 4}")
        expectPools(ep, [])
        expectPools("\(prefill), \(ep)", [])
        expectPools("\(prefill), a: {role: ep, count: 8}, b: {role: ep, count: 4}", [])
        expectPools("\(prefill), near: {role: attention, experts: {pool: far}}, far: {role: expert, count: 8}", [])
        expectPools(
            "\(prefill), d: {role: decode, tp: 4}, \(ep)",
            [("ep,", "the pool 'rank' is ep next to 'd', which is decode, expected one role for all pools that decode")])
        expectPools(
            "c: {role: colocated, tp: 4}, \(ep)",
            [("ep,", "the pool 'rank' is ep next to 'c', which is colocated, expected either colocated pools or prefill and decode")])
        expectPools(
            "\(ep), near: {role: attention, experts: {pool: far}}, far: {role: expert, count: 8}",
            [("attention,", "the pool 'near' is attention next to 'rank', which is ep, expected one role for all pools that decode")])
    }
}
