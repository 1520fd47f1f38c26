import Policies
import Testing

@testable import TopologyFile

@Suite("A setting")
struct SettingsTests {
    @Test("changes a value, makes mappings on the way and follows other names of keys")
    func changes() throws {
        let plan = try read(
            small,
            settings: [
                "seed=7", "pools.worker.tp=2", "pools.worker.tensor-parallel=4", "pools.worker.engine.max-batch=8", "workload.requests=5",
                "slo={ttft: 1s}",
            ]
        ).get()
        #expect(plan.seed == 7)
        #expect(plan.pools[0].tensorParallel == 4)
        #expect(plan.pools[0].engine.maxBatch == 8)
        #expect(plan.workload.requestLimit == 5)
        #expect(plan.objective?.ttft == 1_000_000_000)
    }

    @Test("goes into a name that is short for a mapping, and into a list")
    func shortForms() throws {
        let settings = ["model.layers=16", "controller.routing=power-of-two", "controller.routing.choices=3"]
        let plan = try read(small, settings: settings).get()
        #expect(plan.pools[0].model.layers == 16 && plan.pools[0].model.hidden == 4096)
        #expect(plan.controller.routing == PolicyChoice("power-of-two", parameters: ["choices": 3]))
        let steps = "workload.arrivals={piecewise: [{at: 0s, rate: 1/s}, {at: 5s, rate: 2/s}]}"
        let changed = try read(small, settings: [steps, "workload.arrivals.piecewise.1.rate=9/s"]).get()
        #expect(changed.workload.arrivals == .piecewise([.init(start: 0, rate: 1), .init(start: 5_000_000_000, rate: 9)]))
    }

    @Test(
        "that is wrong is reported as itself",
        arguments: [
            ("workload.requests=0", "--set workload.requests=0:1:1: found '0', expected a number of requests from 1 to 1000000000"),
            ("seed", "--set seed:1:1: found 'seed', expected path.to.key=value"), ("=3", "--set =3:1:1: found '=3', expected path.to.key=value"),
            ("a..b=3", "--set a..b=3:1:1: found the path 'a..b', expected names"), ("sede=3", "--set sede=3:1:1: unknown key 'sede' in a topology"),
            ("x={", "--set x={:2:1: invalid YAML"), ("seed.x=1", "--set seed.x=1:1:1: found a mapping, expected a whole number"),
            ("pools.worker.role.x=1", "--set pools.worker.role.x=1:1:1: found 'colocated' at 'pools.worker.role', expected a mapping"),
            ("pools.woker.count=1", "--set pools.woker.count=1:1:1: found no pool 'woker', expected one of worker; did you mean 'worker'?"),
            ("a\nb=3", "--set a?b=3:1:1: unknown key 'a?b'"),
        ])
    func wrong(setting: String, expected: String) {
        let found = mistakes(small, settings: [setting])
        #expect(found.count == 1 && found[0].hasPrefix(expected), "\(found)")
    }

    @Test("applies to nothing but the copy of an aliased value that it names")
    func aliases() throws {
        let text = """
            model: llama-3.1-8b
            pools:
              a: &a {role: colocated, device: h100-sxm}
              b: *a
            workload: {arrivals: {poisson: 5/s}, requests: 10}
            """
        #expect(try read(text, settings: ["pools.b.count=3"]).get().pools.map(\.count) == [1, 3])
    }
}
