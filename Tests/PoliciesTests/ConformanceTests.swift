import Policies
import Quantities
import Testing

/// What every registered policy must do, whatever it decides.
@Suite("Every routing policy")
struct RoutingConformanceTests {
    static let names = RoutingRegistry.descriptions.map(\.name)

    @Test("chooses a worker that exists", arguments: names)
    func validChoice(name: String) throws {
        var random = stream(1)
        var policy = try router(name)
        for id in 0..<500 {
            let workers = randomWorkers(1 + random.below(64), &random)
            let choice = policy.choose(for: randomRequest(Int64(id), &random), among: workers)
            #expect(workers.indices.contains(choice))
        }
    }

    @Test("takes the only worker there is", arguments: names)
    func onlyWorker(name: String) throws {
        var random = stream(2)
        var policy = try router(name)
        for id in 0..<20 { #expect(policy.choose(for: randomRequest(Int64(id), &random), among: randomWorkers(1, &random)) == 0) }
    }

    @Test("decides the same under the same seed", arguments: names)
    func determinism(name: String) throws { #expect(try decisions(of: name) == decisions(of: name)) }

    @Test("answers to its aliases", arguments: RoutingRegistry.descriptions.flatMap { policy in policy.aliases.map { [policy.name, $0] } })
    func aliases(names: [String]) throws { #expect(try decisions(of: names[0]) == decisions(of: names[1])) }

    @Test("has its defaults where the topology is silent", arguments: RoutingRegistry.descriptions)
    func defaults(description: PolicyDescription) throws {
        let spelt = Dictionary(uniqueKeysWithValues: description.parameters.map { ($0.name, $0.defaultValue) })
        #expect(try decisions(of: description.name) == decisions(of: description.name, spelt))
    }

    @Test("bears its parameters at both ends of their ranges", arguments: RoutingRegistry.descriptions)
    func ranges(description: PolicyDescription) throws {
        for parameter in description.parameters {
            for value in [parameter.range.lowerBound, parameter.range.upperBound] {
                #expect(try decisions(of: description.name, [parameter.name: value]).count == 200)
            }
        }
    }

    private func decisions(of name: String, _ parameters: [String: Double] = [:]) throws -> [Int] {
        var random = stream(3)
        var policy = try router(name, parameters, seed: 7)
        return (0..<200).map { id in
            let workers = randomWorkers(8, &random)
            return policy.choose(for: randomRequest(Int64(id), &random), among: workers)
        }
    }
}

@Suite("The registries")
struct RegistryTests {
    static let families = [
        RoutingRegistry.descriptions, AdmissionRegistry.descriptions, SchedulingRegistry.descriptions, PredictorRegistry.descriptions,
        PreemptionRegistry.descriptions, ScalingRegistry.descriptions,
    ]

    @Test("hold names and aliases that are unique in their family", arguments: families)
    func unique(family: [PolicyDescription]) {
        let names = family.flatMap { [$0.name] + $0.aliases }
        #expect(Set(names).count == names.count)
        for policy in family { #expect(family.filter { $0.answers(to: policy.name) }.count == 1) }
    }

    @Test("describe every policy and parameter", arguments: families.flatMap { $0 })
    func complete(policy: PolicyDescription) {
        for name in [policy.name] + policy.aliases + policy.parameters.map(\.name) {
            #expect(!name.isEmpty && name.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }, "\(name)")
        }
        for text in [policy.summary, policy.source] + policy.parameters.map(\.summary) {
            #expect(!text.isEmpty && !text.contains("\n") && !text.hasSuffix("."), "\(text)")
        }
        #expect(Set(policy.parameters.map(\.name)).count == policy.parameters.count)
        for parameter in policy.parameters { #expect(parameter.range.contains(parameter.defaultValue), "\(parameter.name)") }
    }

    @Test("make nothing for a name that nobody has")
    func unknown() {
        #expect(RoutingRegistry.make(PolicyChoice("jqs"), random: stream(1)) == nil)
        #expect(RoutingRegistry.make(PolicyChoice(""), random: stream(1)) == nil)
        #expect(SchedulingRegistry.make(PolicyChoice("join-shortest-queue"), random: stream(1)) == nil)
    }
}
