import Bounds
import Quantities

/// The random instances of the synthetic study of 2502.07115, at their size.
///
/// Memory of 30 to 50 tokens, prompts of 1 to 5, outputs of 1 to what memory leaves, all uniform. These parameters are from memory of the paper, not
/// checked against its text.
public enum PublishedStudy: String, Sendable, CaseIterable {
    /// 40 to 60 requests, all there at the start (arrival model 1).
    case atStart = "study-at-start"
    /// A Poisson number of requests in each of 40 to 60 rounds, with a mean of 0.5 to 1.5 a round (arrival model 2).
    case arrivals = "study-arrivals"

    /// An instance of the study.
    /// - Parameter requests: the first so many of its requests only; `nil` for all. Smaller instances can be solved.
    public func draw(_ random: inout RandomStream, _ teller: Teller, requests: Int? = nil) -> AuditInstance {
        let memory = 30 + random.below(21)
        var arrivals: [Int] = []
        switch self {
        case .atStart: arrivals = Array(repeating: 0, count: 40 + random.below(21))
        case .arrivals:
            let rounds = Double(40 + random.below(21))
            let rate = 0.5 + random.unit()
            var time = random.exponentialVariate() / rate
            while time < rounds {
                arrivals.append(Int(time))
                time += random.exponentialVariate() / rate
            }
        }
        let all = arrivals.map { arrival in
            let prompt = 1 + random.below(5)
            return UnitRequest(arrival: arrival, prompt: prompt, output: 1 + random.below(memory - prompt))
        }
        return teller.instance(Array(all.prefix(requests ?? all.count)), memory: memory)
    }
}
