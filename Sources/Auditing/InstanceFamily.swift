import Bounds
import Policies
import Quantities

/// A random family of instances, small enough for the optimum to be proved.
///
/// Memory is 8 to 20 tokens, where a family does not say otherwise, and requests are 4 to 7.
public enum InstanceFamily: String, Sendable, CaseIterable {
    /// The synthetic study of 2502.07115 made smaller: prompts of 1 to 5 tokens, outputs of any length that fits, all there at the start.
    case atStart = "at-start"
    /// The same with arrivals in any of the first rounds, as many as memory has tokens.
    case arrivals
    /// Equal prompts, all there at the start, memory for two of the longest: the conditions of MC-SF's guarantee.
    case equalPrompts = "equal-prompts"
    /// Short and long outputs, a few of the latter, arrivals in bursts.
    case twoLengths = "two-lengths"
    /// Short prompts beside some that take half of the memory and more, all there at the start: chats and documents (2508.06133).
    case unequalPrompts = "unequal-prompts"
    /// Equal prompts, all there at the start, and one interval for all lengths, which are at either end of it or between (2508.14544).
    case oneInterval = "one-interval"

    /// An instance of the family.
    public func draw(_ random: inout RandomStream, _ teller: Teller) -> AuditInstance {
        let count = 4 + random.below(4)
        let memory = 8 + random.below(13)
        switch self {
        case .atStart, .arrivals:
            let requests = (0..<count).map { _ in
                let prompt = 1 + random.below(min(5, memory / 3))
                let arrival = self == .arrivals ? random.below(memory) : 0
                return UnitRequest(arrival: arrival, prompt: prompt, output: 1 + random.below(memory - prompt))
            }
            return teller.instance(requests, memory: memory)
        case .equalPrompts:
            let prompt = random.below(memory / 4)
            let most = max(1, memory / 2 - prompt)
            return teller.instance(
                (0..<count).map { _ in UnitRequest(arrival: 0, prompt: prompt, output: 1 + random.below(most)) }, memory: memory)
        case .twoLengths: return teller.instance(twoLengths(&random, count, memory), memory: memory)
        case .unequalPrompts:
            let requests = (0..<count).map { _ in
                let isLong = random.below(3) == 0
                let prompt = isLong ? memory / 2 + random.below(memory / 2 - 1) : random.below(3)
                return UnitRequest(arrival: 0, prompt: prompt, output: 1 + random.below(max(1, min(memory - prompt, memory / 3))))
            }
            return teller.instance(requests, memory: memory)
        case .oneInterval: return oneInterval(&random, count, teller)
        }
    }

    private func twoLengths(_ random: inout RandomStream, _ count: Int, _ memory: Int) -> [UnitRequest] {
        let prompt = random.below(3)
        let long = memory / 2 + random.below(memory / 2 - prompt)
        let short = 1 + random.below(3)
        let burst = random.below(memory)
        return (0..<count).map { _ in
            UnitRequest(arrival: random.below(2) * burst, prompt: prompt, output: random.below(4) == 0 ? long : short)
        }
    }

    private func oneInterval(_ random: inout RandomStream, _ count: Int, _ teller: Teller) -> AuditInstance {
        let lower = 1 + random.below(3)
        let upper = max(lower, Int(Double(lower) * teller.intervalRatio))
        let prompt = random.below(3)
        let memory = prompt + upper + random.below(2 * (prompt + upper))
        let requests = (0..<count).map { _ in
            let output = [lower, upper, lower + random.below(upper - lower + 1)][random.below(3)]
            return UnitRequest(arrival: 0, prompt: prompt, output: output)
        }
        return teller.instance(requests, memory: memory, lower: lower, upper: upper)
    }
}

extension Teller {
    /// An instance of which one interval is said of all lengths, where the predictor gives intervals.
    func instance(_ requests: [UnitRequest], memory: Int, lower: Int, upper: Int) -> AuditInstance {
        guard isInterval else { return instance(requests, memory: memory) }
        let prediction = Prediction(
            expected: Int32(clamping: (lower + upper) / 2), lower: Int32(clamping: lower), upper: Int32(clamping: upper))
        return AuditInstance(requests.map { AuditRequest($0, prediction: prediction) }, memory: memory)
    }
}
