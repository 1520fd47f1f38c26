import Bounds
import Policies
import Quantities

/// Instances on which papers prove that a rule, or every rule of a kind, is far from the optimum.
public enum Construction: String, Sendable, CaseIterable {
    /// Against every deterministic rule that decides online, with lengths known and prompts equal (2502.07115: ratio of the order of the square root of
    /// the number of requests).
    ///
    /// With M tokens of memory: one request of prompt 1 and output M - 1 is there at the start; the rule starts it, at round b. M / 2 requests of prompt
    /// 1 and output 1 come when it has q rounds left, q about the square root of M. They take 2 tokens each, and it leaves j with j rounds to go after
    /// a round, so that before its end no more than E = sum of floor(j / 2) over j < q are served: the others wait for q + 1 rounds. Total latency is at least
    /// M - 1 + b + (M / 2 - E) (q + 1) + E, of the order of M to the power of 1.5. The optimum serves them all in the round after they come and the
    /// long one after that: at most M / 2 + b + 2 M - 1 - q.
    case lateBurst = "late-burst"
    /// Against first come, first served in any form: giants, which take the whole memory for a round each, are ahead of many that would all fit
    /// together (2508.06133). With g giants and n others the ratio is (n (g + 1) + g (g + 1) / 2) / (n + g + g (g + 1) / 2), near g + 1.
    case giantsAhead = "giants-ahead"
    /// Against shortest first with unequal prompts (2508.06133): the giants have output 1 and the many small ones output 2, so that the giants go first. With
    /// g giants and n others: (n (g + 2) + g (g + 1) / 2) / (2 n + 2 g + g (g + 1) / 2), near (g + 2) / 2.
    case shortGiants = "short-giants"
    /// Against upper bounds taken for lengths (2508.14544): every length is the lower bound 1, and memory holds one request of the upper bound r, so
    /// that one runs at a time where r could. With n = m r requests and no prompts: (m r + 1) / (m + 1), near r.
    case roomForNothing = "room-for-nothing"
    /// Against a rule that cannot tell requests apart (2508.14544): those that turn out long are ahead of those that turn out short.
    case longAhead = "long-ahead"
    /// Against optimistic starts (2508.14544): lengths are the lower bound times powers of two up to the upper one, so that what runs is thrown out
    /// when it proves to be longer than thought.
    case doublings

    /// The instances for a policy, of several sizes; none where the policy is not told what the construction needs.
    func instances(for policy: AuditedPolicy) -> [AuditInstance] {
        let teller = policy.teller
        switch self {
        case .lateBurst: return [16, 36, 64].flatMap { lateBurst(memory: $0, against: policy) }
        case .giantsAhead: return [(2, 8), (3, 16), (5, 32)].map { giants($0.0, ahead: $0.1, output: 1, teller) }
        case .shortGiants: return [(2, 8), (4, 16), (6, 32)].map { giants($0.0, ahead: $0.1, output: 2, teller) }
        case .roomForNothing, .longAhead, .doublings:
            let width = Int(teller.intervalRatio)
            guard teller.isInterval, width >= 2, width <= 32 else { return [] }
            return intervals(width, teller)
        }
    }

    private func lateBurst(memory: Int, against policy: AuditedPolicy) -> [AuditInstance] {
        let long = UnitRequest(arrival: 0, prompt: 1, output: memory - 1)
        let alone = policy.teller.instance([long], memory: memory)
        guard let start = policy.run(alone)?.starts.first else { return [] }
        var root = 1
        while root * root < memory { root += 1 }
        return [root, max(2, root * 3 / 4)].map { left in
            let burst = UnitRequest(arrival: start + memory - 1 - left, prompt: 1, output: 1)
            return policy.teller.instance([long] + Array(repeating: burst, count: memory / 2), memory: memory)
        }
    }

    private func giants(_ count: Int, ahead small: Int, output: Int, _ teller: Teller) -> AuditInstance {
        // All small ones fit together: each holds its output at the end of its last round.
        let memory = small * output
        let giant = UnitRequest(arrival: 0, prompt: memory - 1, output: 1)
        let other = UnitRequest(arrival: 0, prompt: 0, output: output)
        return teller.instance(Array(repeating: giant, count: count) + Array(repeating: other, count: small), memory: memory)
    }

    private func intervals(_ width: Int, _ teller: Teller) -> [AuditInstance] {
        func instance(_ outputs: [Int], memory: Int) -> AuditInstance {
            teller.instance(outputs.map { UnitRequest(arrival: 0, prompt: 0, output: $0) }, memory: memory, lower: 1, upper: width)
        }
        switch self {
        case .roomForNothing: return [1, 2, 4].map { instance(Array(repeating: 1, count: $0 * width), memory: width) }
        case .longAhead:
            return [1, 2, 3].map { instance(Array(repeating: width, count: $0) + Array(repeating: 1, count: 2 * $0 * width), memory: width) }
        default:
            var powers = [1]
            while let last = powers.last, 2 * last <= width { powers.append(2 * last) }
            return [2, 4].map { times in
                instance(powers.reversed().flatMap { Array(repeating: $0, count: max(1, times * width / (4 * $0))) }, memory: width + 1)
            }
        }
    }
}
