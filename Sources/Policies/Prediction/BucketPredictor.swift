import Quantities

/// A classifier into buckets of equal width that is sometimes wrong, with a confusion matrix in closed form.
///
/// Source: the classifiers of S3 (2306.06000), 2404.08509 and TRAIL (2410.01035: 10 buckets over 0 to 512). Row i of the matrix: bucket i with
/// probability `accuracy`; what is left goes to the other buckets in proportion to `spread` to the power of their distance, less 1: 0 names only
/// neighbours, 1 all alike. Expected is the middle of the named bucket and the bounds are its ends, which therefore hold with probability `accuracy`
/// only. The last bucket has no end; its middle is counted as if it had.
public struct BucketPredictor: LengthPredictor {
    public static let description = PolicyDescription(
        name: "bucket", summary: "a bucket of lengths, wrong as a confusion matrix says", source: "S3, 2306.06000; TRAIL, 2410.01035",
        parameters: [
            ParameterDescription("buckets", defaultValue: 10, range: 1...1000, summary: "number of buckets"),
            ParameterDescription("width", unit: "tokens", defaultValue: 52, range: 1...1_000_000, summary: "lengths in a bucket"),
            ParameterDescription("accuracy", defaultValue: 0.7, range: 0...1, summary: "probability of naming the right bucket"),
            ParameterDescription("spread", defaultValue: 0.5, range: 0...1, summary: "how much less likely each further bucket is"),
        ])

    private let buckets: Int
    private let width: Int64
    private let accuracy: Double
    private let spread: Double
    private let draws: HashedDraws

    public init(parameters: PolicyParameters, draws: HashedDraws) {
        buckets = Int(parameters["buckets"])
        width = Int64(parameters["width"])
        accuracy = parameters["accuracy"]
        spread = parameters["spread"]
        self.draws = draws
    }

    public func predict(_ input: PredictionInput) -> Prediction {
        let right = Int(min((Int64(input.truth) - 1) / width, Int64(buckets - 1)))
        let named = Int64(name(max(right, 0), draw: draws.unit(input.id)))
        let lower = Int32(clamping: named * width + 1)
        let end = Int32(clamping: (named + 1) * width)
        return Prediction(
            expected: Int32((Int64(lower) + Int64(end)) / 2), lower: lower, upper: named == Int64(buckets - 1) ? .max : end)
    }

    /// The bucket that is named for one of the row `right`: the one on which a number from 0 to 1 falls.
    func name(_ right: Int, draw: Double) -> Int {
        guard buckets > 1, draw >= accuracy else { return right }
        // Distance by distance, down before up, until the rest of the row's weight is used up.
        var weights = 0.0
        var weight = 1.0
        for distance in 1..<buckets {
            if right - distance >= 0 { weights += weight }
            if right + distance < buckets { weights += weight }
            weight *= spread
        }
        var left = (draw - accuracy) / (1 - accuracy) * weights
        weight = 1
        var last = right
        for distance in 1..<buckets {
            for place in [right - distance, right + distance] where place >= 0 && place < buckets && weight > 0 {
                last = place
                if left < weight { return place }
                left -= weight
            }
            weight *= spread
        }
        return last
    }
}
