import Cluster
import Policies
import Testing

@testable import TopologyFile

/// A cluster in two phases with the given engines, controller and keys at the top.
private func phases(prefill: String = "{}", decode: String = "{}", controller: String = "{}", top: String = "") -> String {
    """
    model: llama-3.1-8b
    \(top.isEmpty ? "x-none: 1" : top)
    defaults: {device: h100-sxm}
    pools:
      prefill: {role: prefill, engine: \(prefill)}
      decode: {role: decode, engine: \(decode)}
    controller: \(controller)
    workload: {arrivals: {poisson: 5/s}, requests: 10}
    """
}

@Suite("Predictors and scheduling policies in a topology")
struct PolicyCheckTests {
    @Test("are read by name and with parameters, and written so that they read back equal")
    func reading() throws {
        for (text, choice) in [
            ("predictor: oracle", PolicyChoice("oracle")),
            ("predictor: {name: noisy, error: 0.5}", PolicyChoice("noisy", parameters: ["error": 0.5])),
            ("predictor: {name: noisy, error: 0.3}", PolicyChoice("noisy")), ("x-none: 1", PolicyChoice("none")),
        ] {
            let plan = try read(phases(top: text)).get()
            #expect(plan.predictor == choice)
            #expect(try read(TopologyWriter.text(plan)).get() == plan)
        }
        let plan = try read(phases(decode: "{scheduling: {policy: mc-sf, protection: 0.1}}", top: "predictor: oracle")).get()
        #expect(plan.pools[1].engine.scheduling == PolicyChoice("mc-sf", parameters: ["protection": 0.1]))
    }

    @Test("are known by name and parameters: mistakes have their places")
    func mistakes() {
        expect(phases(top: "predictor: orakel"), [("orakel", "unknown predictor 'orakel', expected one of none, oracle, class, noisy")])
        expect(phases(top: "predictor: {name: noisy, eror: 1}"), [("eror", "unknown parameter 'eror' of noisy, expected one of error")])
        expect(phases(top: "predictor: {error: 1}"), [("{error", "found no key 'name' in a predictor, expected it with one of none, oracle")])
        expect(phases(top: "predictor: {name: noisy, error: 2}"), [("2}", "found '2', expected a number from 0 to 1")])
    }

    @Test("a policy that decides on predictions needs a predictor, wherever the policy is named", arguments: SchedulingRegistry.descriptions)
    func needs(policy: PolicyDescription) {
        let message =
            "the policy '\(policy.name)' decides on predicted output lengths, which nothing predicts here, expected the key 'predictor' with one of oracle"
        let expected: [Mistake] = policy.needsPrediction ? [(policy.name + "}", message)] : []
        expect(phases(decode: "{scheduling: \(policy.name)}"), expected)
        expect(phases(decode: "{scheduling: \(policy.name)}", top: "predictor: none"), expected)
        expect(phases(decode: "{scheduling: \(policy.name)}", top: "predictor: class"), [])
    }

    @Test("nobody may overtake where caches are pushed before prompts are computed", arguments: SchedulingRegistry.descriptions)
    func order(policy: PolicyDescription) {
        let overtakes = SchedulingRegistry.traits(of: PolicyChoice(policy.name)).contains(.overtakes)
        let mistake: Mistake = (
            policy.name + "}", "the policy '\(policy.name)' lets requests overtake others, and the pool 'prefill' has transfer layerwise"
        )
        let expected = overtakes ? [mistake] : []
        expect(phases(prefill: "{transfer: layerwise}", decode: "{scheduling: \(policy.name)}", top: "predictor: oracle"), expected)
        expect(phases(prefill: "{transfer: layerwise, scheduling: \(policy.name)}", top: "predictor: oracle"), expected)
        expect(phases(prefill: "{scheduling: \(policy.name)}", top: "predictor: oracle"), [])
    }
}
