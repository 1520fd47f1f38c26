import Quantities

/// How the gate of a mixture of experts behaves: how popular its experts are, how that varies, and how a token picks among them.
///
/// A token picks by scores: the logarithm of the expert's weight plus the token's own affinity, a Gumbel variate. The `topK` best scores win, so
/// that picks follow the weights one after the other, without replacement (Plackett-Luce).
public struct GatePlan: Sendable, Equatable {
    /// How the weights of a layer's experts are distributed. Which expert is the popular one is drawn anew for each layer.
    public enum Popularity: Sendable, Equatable {
        /// All experts alike.
        case uniform
        /// The weight of the `r`-th expert is `r` to the power of `-exponent`.
        case zipf(exponent: Double)
        /// Logarithms of the weights are normal with this standard deviation.
        case logNormal(sigma: Double)
        /// Weights are a draw from a symmetric Dirichlet distribution: the smaller `alpha`, the more uneven.
        case dirichlet(alpha: Double)
        /// Measured loads by layer and expert, in any unit. They are met as shares of the picks, not as weights.
        case recorded([[Double]])
    }

    /// How a token picks experts.
    public enum Selection: Sendable, Equatable {
        /// The experts with the best scores.
        case topK
        /// Node-limited routing (DeepSeek-V3, arXiv 2412.19437, section 2.1.2): experts stand in `count` groups of neighbours; the `kept` groups
        /// with the largest sum of their best `topK / kept` scores stay, and the experts with the best scores in them are picked.
        case groups(count: Int, kept: Int)
        /// Noisy top-k (Shazeer 2017, arXiv 1701.06538): each score gets a normal variate of this standard deviation more.
        case noisyTopK(noise: Double)
        /// Expert choice (arXiv 2202.09368): experts pick tokens, so that all get equally many. Not causal: the line of ideal balance.
        case expertChoice
    }

    /// How popularity moves: after each `period`, the `share` of the experts has a popularity that is drawn anew.
    public struct Drift: Sendable, Equatable {
        /// Nanoseconds between two steps.
        public var period: Nanoseconds
        /// Share of the experts, in 0...1, whose popularity a step replaces.
        public var share: Double

        public init(period: Nanoseconds, share: Double) {
            self.period = period
            self.share = share
        }
    }

    /// Where the numbers of a batch come from.
    public enum Sampling: String, Sendable, CaseIterable {
        /// All picks of a batch are drawn for it.
        case exact
        /// A batch is the sum of rows of numbers, each drawn exactly for a number of tokens, that serve several batches: 32 each (64 with noisy
        /// top-k, 128 with groups), spread over 8 times as many consecutive ones.
        ///
        /// Each batch has the distribution of an exact one, and so have the ranks of a batch together: independent given the weights of the batch.
        /// What differs is what batches have in common. The variance of an expert's mean number of one rank over a long time is 32 (64, 128) times
        /// as large; ranks take their rows in orders of their own, so that what all make together repeats less. All layers of a rank have one order,
        /// but where there is `batchNoise`: there a row goes with one draw of the noise, for all ranks the same, and all together repeats, too.
        ///
        /// Measured, 32 ranks of 64 tokens, 8 of 256 experts, one layer: the mean over 512 batches of the largest rank's load to the mean is 1.091,
        /// with a standard deviation over seeds of 0.0012 in place of 0.0010; with noise of 0.3 it is 1.256, with 0.013 in place of 0.003.
        case pooled
    }

    public var popularity: Popularity
    public var selection: Selection
    /// Correlation of an expert's (normal) popularity score between layers, 0...1: at 1 the same experts are popular in all layers.
    /// Recorded loads keep the correlation that they have.
    public var layerCorrelation: Double
    /// `nil`: popularity stays.
    public var drift: Drift?
    /// Standard deviation of the logarithm of a factor on each expert's weight, drawn for each layer and batch. All ranks share it.
    public var batchNoise: Double
    /// Most tokens that an expert takes from one rank's batch, in multiples of the mean `tokens x topK / experts`, rounded up; the picks beyond are
    /// dropped (GShard, arXiv 2006.16668; Switch, arXiv 2101.03961). `nil`: no token is dropped.
    public var capacityFactor: Double?
    /// Loss-free balancing (arXiv 2408.15664): how much a batch moves the bias on an expert's score; 0 where there is none.
    public var biasRate: Double
    /// Pooled by default: it is an order of magnitude faster, and a run's figures differ by less than they do from seed to seed.
    public var sampling: Sampling

    public init(
        popularity: Popularity = .uniform, selection: Selection = .topK, layerCorrelation: Double = 0, drift: Drift? = nil, batchNoise: Double = 0,
        capacityFactor: Double? = nil, biasRate: Double = 0, sampling: Sampling = .pooled
    ) {
        self.popularity = popularity
        self.selection = selection
        self.layerCorrelation = layerCorrelation
        self.drift = drift
        self.batchNoise = batchNoise
        self.capacityFactor = capacityFactor
        self.biasRate = biasRate
        self.sampling = sampling
    }
}
