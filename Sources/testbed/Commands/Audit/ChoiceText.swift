import CommandLine
import Policies
import Quantities

/// Policies and predictors as a command line names them: `NAME[,PARAMETER=VALUE…]`.
enum ChoiceText {
    static func parse(
        _ text: String, what: String, _ descriptions: [PolicyDescription], option: String = ""
    ) throws(PolicyAudit.Misuse) -> (PolicyChoice, PolicyDescription) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let name = parts[0]
        guard let description = descriptions.first(where: { $0.answers(to: name) }) else {
            let names = descriptions.map(\.name)
            let hint = nearest(name, among: names).map { "; did you mean '\($0)'?" } ?? ""
            throw PolicyAudit.Misuse(text: "\(option)found no \(what) '\(name)', expected one of \(names.joined(separator: ", "))\(hint)")
        }
        var parameters: [String: Double] = [:]
        for part in parts.dropFirst() {
            let (parameter, value) = try parameter(part, of: description, option)
            guard parameters.updateValue(value, forKey: parameter.name) == nil else {
                throw PolicyAudit.Misuse(text: "\(option)found '\(parameter.name)' twice, expected it once")
            }
        }
        return (PolicyChoice(description.name, parameters: parameters), description)
    }

    /// A number with all its digits, and no more: it is read again.
    static func plain(_ value: Double) -> String {
        value == value.rounded() && value.magnitude < 1e15 ? "\(Int64(value))" : "\(value)"
    }

    private static func parameter(
        _ text: String, of description: PolicyDescription, _ option: String
    ) throws(PolicyAudit.Misuse) -> (ParameterDescription, Double) {
        let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let names = description.parameters.map(\.name)
        guard let parameter = description.parameters.first(where: { $0.name == halves[0] }) else {
            let expected = names.isEmpty ? "none: '\(description.name)' has no parameters" : "one of \(names.joined(separator: ", "))"
            let hint = nearest(halves[0], among: names).map { "; did you mean '\($0)'?" } ?? ""
            throw PolicyAudit.Misuse(text: "\(option)found the parameter '\(halves[0])' of '\(description.name)', expected \(expected)\(hint)")
        }
        let range = parameter.range
        guard halves.count == 2, let value = Double(halves[1]), range.contains(value) else {
            let found = halves.count == 2 ? "'\(halves[1])'" : "no value"
            throw PolicyAudit.Misuse(
                text: "\(option)found \(found) for '\(parameter.name)' of '\(description.name)', expected a number from "
                    + "\(plain(range.lowerBound)) to \(plain(range.upperBound))")
        }
        return (parameter, value)
    }
}

extension PolicyChoice {
    /// As a command line names it.
    var text: String { ([name] + parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\(ChoiceText.plain($0.value))" }).joined(separator: ",") }
}
