/// Searches for the end of a run of good numbers.
public enum Bisection {
    /// The largest number of a range that is good, where every number below a good one is good too; `nil` when the first one is not.
    ///
    /// O(log range) questions.
    public static func largest(in range: ClosedRange<Int>, where isGood: (Int) -> Bool) -> Int? {
        guard isGood(range.lowerBound) else { return nil }
        var (good, bad) = (range.lowerBound, range.upperBound + 1)
        while bad - good > 1 {
            let middle = good + (bad - good) / 2
            if isGood(middle) { good = middle } else { bad = middle }
        }
        return good
    }

    /// A number of a range that is good although the one before it is not, or the first one; `nil` when the last one is not good.
    ///
    /// Where every number above a good one is good too, that is the smallest good number.
    public static func smallest(in range: ClosedRange<Int>, where isGood: (Int) -> Bool) -> Int? {
        guard isGood(range.upperBound) else { return nil }
        var (bad, good) = (range.lowerBound - 1, range.upperBound)
        while good - bad > 1 {
            let middle = bad + (good - bad) / 2
            if isGood(middle) { good = middle } else { bad = middle }
        }
        return good
    }

    /// The largest rate in `0..<limit` that is good, to one part in `steps`; 0 when none is.
    static func largestRate(below limit: Double, steps: Int = 1 << 20, where isGood: (Double) -> Bool) -> Double {
        guard limit > 0, limit < .infinity else { return 0 }
        let step = limit / Double(steps)
        return Double(largest(in: 1...steps - 1) { isGood(Double($0) * step) } ?? 0) * step
    }
}
