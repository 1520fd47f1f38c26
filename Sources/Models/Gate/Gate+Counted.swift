import Quantities

/// Numbers by expert drawn at once, for many tokens.
///
/// If tokens pick one by one, an expert's number is binomial, and all of them sum to `tokens x topK`. Here the numbers are binomials given their
/// sum, one expert after the other: each with the mean and variance that it has given the sum of those to come. Covariances agree with those of
/// picking to first order (conditional Poisson sampling, Hájek 1964). What differs from drawing every pick, measured by the tests of this file:
/// means by what `Inclusion` says, standard deviations by less than 4%, the largest number and the distinct experts by less than 1%.
extension Gate {
    /// Below this mean a number is drawn by inversion, above it from a normal distribution.
    private static let largeMean = 12.0

    func count(tokens: Int, probabilities: [Double], random: inout GateRandom, into counts: UnsafeMutableBufferPointer<Int32>) {
        let all = Double(tokens)
        var meansLeft = 0.0
        var sum = 0.0
        var hottest = 0
        for expert in 0..<experts {
            let (probability, most) = (probabilities[expert], probabilities[hottest])
            meansLeft += all * probability
            sum += all * probability * (1 - probability)
            if probability * (1 - probability) > most * (1 - most) { hottest = expert }
        }
        // To know the sum takes the share `v / sum` from a variance `v`; it is added beforehand, so that a binomial's variance is left.
        @inline(__always)
        func widened(_ variance: Double) -> Double { variance * (2 * variance < sum ? sum / (sum - variance) : 2) }
        var variancesLeft = 0.0
        for probability in probabilities { variancesLeft += widened(all * probability * (1 - probability)) }
        var left = tokens * topK
        // The one with the largest variance is last and takes what is left, where the error that others made is smallest.
        for place in 0..<experts - 1 {
            let expert = place < hottest ? place : place + 1
            let expected = all * probabilities[expert]
            let variance = widened(expected * (1 - probabilities[expert]))
            let isPulled = variancesLeft > variance
            let mean = isPulled ? expected + (Double(left) - meansLeft) * variance / variancesLeft : expected
            let spread = isPulled ? variance * (1 - variance / variancesLeft) : variance
            let drawn = draw(tokens: tokens, mean: mean, variance: spread, isLast: experts - place <= 8, random: &random)
            let number = min(max(drawn, left - tokens * (experts - 1 - place)), min(tokens, left))
            counts[expert] = Int32(number)
            left -= number
            meansLeft -= expected
            variancesLeft = max(0, variancesLeft - variance)
        }
        counts[hottest] = Int32(left)
    }

    /// A whole number of at most `tokens` with this mean and variance: binomial where it is near an end.
    private func draw(tokens: Int, mean: Double, variance: Double, isLast: Bool, random: inout GateRandom) -> Int {
        let all = Double(tokens)
        guard mean > 0 else { return 0 }
        guard mean < all else { return tokens }
        if !isLast {
            if mean < Self.largeMean { return binomial(tokens, mean / all, random.unit()) }
            if all - mean < Self.largeMean { return tokens - binomial(tokens, 1 - mean / all, random.unit()) }
        }
        let word = random.next()
        let index = Int(word & (1 << GateTables.normalBits - 1))
        let normal = tables.normals[index]
        // The second term gives the skewness of a binomial number (Cornish and Fisher 1938).
        let skewed = (normal * normal - 1) * (1 - 2 * mean / all) / 6
        // Rounded up or down by the rest of the word, so that the mean stays; that adds a sixth to the variance.
        let value = mean + max(0, variance - 1.0 / 6).squareRoot() * normal + skewed + (Double(word >> 12) * 0x1p-52 - 0.5)
        return Int(min(max(value.rounded(.toNearestOrEven), 0), all))
    }

    /// The quantile of a binomial number of small mean, by adding up from 0.
    private func binomial(_ tokens: Int, _ probability: Double, _ share: Double) -> Int {
        let odds = probability / (1 - probability)
        var term = power(1 - probability, tokens)
        var sum = term
        var number = 0
        while sum < share, number < tokens, term > 0 {
            number += 1
            term *= odds * Double(tokens - number + 1) / Double(number)
            sum += term
        }
        return number
    }
}
