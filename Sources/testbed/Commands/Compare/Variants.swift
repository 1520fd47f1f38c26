import Cluster
import CommandLine
import Comparison
import Quantities
import Terminal
import TopologyFile

/// The variants of a topology that a command line asks for, each read and checked.
struct Variants {
    let variations: [Variation]
    /// By variant: the values that it has, and the plan that comes of them. Records are those that a comparison needs.
    let values: [[String]]
    let plans: [ClusterPlan]
    /// What is legal in them, but hardly meant.
    let warnings: [String]

    private static let limit = 1_000

    init(_ command: ParsedCommand) throws {
        variations = try command.texts("vary").map { text throws(Variation.Mistake) in try Variation(text) }
        for (place, variation) in variations.enumerated() {
            if variations[..<place].contains(where: { $0.path == variation.path }) {
                throw Compare.Misuse(text: "--vary: found '\(variation.path)' twice, expected all its values in one")
            }
            if let instead = ["seed": "--seeds", "clock": "--clock"][variation.path] {
                throw Compare.Misuse(text: "--vary: found '\(variation.path)', expected \(instead): variants must be alike in it")
            }
        }
        guard Variation.count(variations) <= Self.limit else {
            throw Compare.Misuse(text: "--vary: found more than \(Figures.count(Int64(Self.limit))) variants, expected no more")
        }
        values = Variation.cross(variations)
        var fixed = command.texts("set") + ["clock=\(command.text("clock") ?? "inproc")"]
        if let requests = command.text("requests") { fixed.append("workload.requests=\(requests)") }
        var (plans, warnings, mistakes): ([ClusterPlan], [String], [Diagnostic]) = ([], [], [])
        for values in values {
            let settings = zip(variations, values).map { "\($0.path)=\($1)" }
            switch Validate.read(command.arguments[0], settings: fixed + settings) {
            case .success(let topology):
                for warning in topology.warnings.map({ "\($0.place): warning: \($0.message)" }) where !warnings.contains(warning) {
                    warnings.append(warning)
                }
                var plan = topology.plan
                plan.records = RecordPlan(iterations: false, messages: false, timeline: false)
                plans.append(plan)
            case .failure(let found):
                for mistake in found.list.map({ Self.renamed($0, settings) }) where !mistakes.contains(mistake) { mistakes.append(mistake) }
            }
        }
        guard mistakes.isEmpty else { throw Diagnostics(mistakes) }
        for (place, plan) in plans.enumerated() {
            guard let other = plans[..<place].firstIndex(of: plan) else { continue }
            throw Compare.Misuse(
                text: "--vary: found \(Self.label(values[other])) and \(Self.label(values[place])), which are the same cluster, expected it once")
        }
        (self.plans, self.warnings) = (plans, warnings)
    }

    /// A mistake in a value stands where the user typed it.
    private static func renamed(_ mistake: Diagnostic, _ settings: [String]) -> Diagnostic {
        guard let setting = settings.first(where: { mistake.place.file == "--set " + $0 }) else { return mistake }
        var mistake = mistake
        mistake.place.file = "--vary " + setting
        return mistake
    }

    /// A variant as the user would name it.
    static func label(_ values: [String]) -> String { values.isEmpty ? "the topology as written" : "'\(values.joined(separator: ","))'" }

    /// The variant that somebody names by its values.
    func place(of text: String) throws -> Int {
        let wanted: [String]
        do { wanted = try Variation.split(text) } catch { throw Compare.Misuse(text: "--baseline: \(error)") }
        if let place = values.firstIndex(of: wanted) { return place }
        let names = values.map { $0.joined(separator: ",") }
        let hint = nearest(text, among: names).map { "; did you mean '\($0)'?" } ?? ""
        let expected = names.count <= 12 ? ", expected one of \(names.joined(separator: " or "))" : ", expected a value of each --vary"
        throw Compare.Misuse(text: "--baseline: found no variant '\(text)'\(expected)\(hint)")
    }
}
