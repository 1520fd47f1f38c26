import Quantities
import Workload

/// What a workload asks of a cluster, as far as a plan goes by it.
public struct Demand: Sendable, Equatable {
    /// Requests a second: the highest where the rate changes in steps. `nil` where users wait for their answers, so that the cluster sets the rate.
    public var rate: Double?
    /// Mean lengths in tokens.
    public var meanPrompt: Double
    public var meanOutput: Double
    /// Mean context of a request in the midst of decoding: `E[o (p + o / 2)] / E[o]`, for long outputs are met more often.
    public var decodeContext: Double
    /// Mean length that the requests which are met decoding will have in the end: `E[o (p + o)] / E[o]`.
    public var finalContext: Double
    /// Prompt lengths at equal steps of their distribution, ascending; never empty.
    public var prompts: [Int]

    /// Requests of one length.
    public init(rate: Double?, prompt: Int, output: Int) {
        self.rate = rate
        meanPrompt = Double(prompt)
        meanOutput = Double(output)
        decodeContext = Double(prompt) + Double(output) / 2
        finalContext = Double(prompt + output)
        prompts = [prompt]
    }

    /// Most requests that are looked at, and prompt lengths that are kept of them.
    private static let requestLimit = 200_000
    private static let keptPrompts = 256

    /// What the requests of a source ask for; `nil` when it has none.
    ///
    /// - Parameters:
    ///   - source: read to its end, or for 200,000 requests.
    ///   - workload: that the source was made for.
    public init?(_ source: any RequestSource, of workload: WorkloadPlan) {
        var lengths: [Int32] = []
        var (prompts, outputs, contexts, finals) = (0.0, 0.0, 0.0, 0.0)
        var last: Instant = 0
        while lengths.count < Self.requestLimit, let request = source.next() {
            let (prompt, output) = (Double(request.promptTokens), Double(request.outputTokens))
            lengths.append(request.promptTokens)
            prompts += prompt
            outputs += output
            contexts += output * (prompt + output / 2)
            finals += output * (prompt + output)
            last = request.arrival
        }
        guard !lengths.isEmpty, outputs > 0 else { return nil }
        meanPrompt = prompts / Double(lengths.count)
        meanOutput = outputs / Double(lengths.count)
        decodeContext = contexts / outputs
        finalContext = finals / outputs
        lengths.sort()
        let kept = min(lengths.count, Self.keptPrompts)
        self.prompts = (0..<kept).map { Int(lengths[(2 * $0 + 1) * lengths.count / (2 * kept)]) }
        rate = Self.rate(of: workload, count: lengths.count, until: last)
    }

    /// Tokens that a prompt's token attends to in the mean: `E[p (p + 1) / 2] / E[p]`.
    var pairsPerToken: Double {
        var (pairs, tokens) = (0.0, 0.0)
        for prompt in prompts {
            pairs += Double(prompt) * Double(prompt + 1) / 2
            tokens += Double(prompt)
        }
        return tokens > 0 ? pairs / tokens : 0
    }

    /// The mean over the largest of `count` pieces of what a token in each attends to, for full pieces of `size` tokens: the pieces of a prompt attend to ever more.
    ///
    /// `sum over k of (k + 1/2) size (F(k)^count - F(k - 1)^count)`, with `F(k)` the share of full pieces that are among the first `k + 1` of their prompts.
    /// Where no prompt has a full piece of its own, that of any token.
    func pairsPerToken(size: Double, count: Double) -> Double {
        var ranks: [Double] = []
        for prompt in prompts.reversed() {
            let full = Int(Double(prompt) / size)
            guard full > 0 else { break }
            if ranks.isEmpty { ranks = Array(repeating: 0, count: full) }
            for place in 0..<full { ranks[place] += 1 }
        }
        let all = ranks.reduce(0, +)
        guard all > 0 else { return pairsPerToken }
        var (sum, share, last) = (0.0, 0.0, 0.0)
        for (place, pieces) in ranks.enumerated() {
            share += pieces / all
            let below = exponential(count * naturalLog(min(1, share)))
            sum += (Double(place) + 0.5) * size * (below - last)
            last = below
        }
        return sum
    }

    private static func rate(of workload: WorkloadPlan, count: Int, until last: Instant) -> Double? {
        let rate: Double? =
            switch workload.arrivals {
            case .poisson(let rate), .gamma(let rate, _), .constant(let rate): rate * workload.rateScale
            case .piecewise(let steps): steps.map(\.rate).max().map { $0 * workload.rateScale }
            // Arrivals of a trace are scaled as they are read.
            case .trace: last > 0 && count > 1 ? Double(count - 1) / seconds(last) : nil
            case .closedLoop, .nothing: nil
            }
        return rate.flatMap { $0 > 0 ? $0 : nil }
    }
}
