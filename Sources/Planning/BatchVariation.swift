/// Numbers of requests that vary as arrivals do: where requests come at random and each stays for a time of its own, their number is Poisson (M/G/infinity), with a
/// standard deviation of the root of its mean.
enum BatchVariation {
    /// Standard deviations above the mean that one in a thousand exceeds.
    static let rare = 3.0902

    /// So many standard deviations above a mean.
    static func most(around mean: Double, deviations: Double) -> Double { mean + deviations * mean.squareRoot() }

    /// The largest mean from which so many standard deviations come to `most`.
    static func mean(within most: Double, deviations: Double) -> Double {
        let root = (-deviations + (deviations * deviations + 4 * most).squareRoot()) / 2
        return root * root
    }
}
