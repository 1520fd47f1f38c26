import Quantities
import Records

/// Measures what decisions cost the host, with a clock that its owner gives it: the core has none.
///
/// What it measures reaches the summary and no record: it differs from run to run.
public final class DecisionProbe {
    private let clock: () -> Int64
    /// By kind.
    public private(set) var times = Array(repeating: LogLinearHistogram(), count: DecisionKind.allCases.count)

    /// - Parameter clock: processor time of the calling thread in nanoseconds.
    public init(clock: @escaping () -> Int64) { self.clock = clock }

    /// Carries a decision out and notes how long it took.
    @inline(__always)
    func measure<Outcome>(_ kind: DecisionKind, _ decide: () -> Outcome) -> Outcome {
        let start = clock()
        let outcome = decide()
        times[kind.rawValue].add(clock() - start)
        return outcome
    }
}

extension DecisionProbe? {
    /// Carries a decision out, measured where there is a probe.
    @inline(__always)
    func measure<Outcome>(_ kind: DecisionKind, _ decide: () -> Outcome) -> Outcome {
        guard let self else { return decide() }
        return self.measure(kind, decide)
    }
}
