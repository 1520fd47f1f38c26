import Quantities

/// The waiting time at one server with Poisson arrivals and equal services (M/D/1).
///
/// `P(W <= t) = e^(-l u) sum over j < k of Q(k - 1 - j) (l u)^j / j!` for `(k - 1) D <= t < k D`, `u = k D - t`, with `Q(n)` the probability
/// that at most `n` wait (Franx, Operations Research Letters 29, 2001). All terms are positive, so nothing cancels.
public struct WaitingTime: Sendable {
    /// Seconds of a service, and arrivals a second.
    public let service: Double
    public let rate: Double
    /// Probabilities that at most so many wait; as many as were asked for.
    private var waiting: [Double] = []
    /// Probabilities of so many in the system, and of more than so many arrivals in a service.
    private var present: [Double] = []
    private var beyond: [Double] = []

    /// - Precondition: `service` is positive, and `rate * service` is in 0..<1.
    public init(service: Double, rate: Double) {
        self.service = service
        self.rate = rate
    }

    /// Share of the time for which the server is busy.
    public var load: Double { rate * service }

    /// The mean: `R D^2 / (2 (1 - R D))`.
    public var mean: Double { load * service / (2 * (1 - load)) }

    /// The probability that a customer waits `time` seconds at most.
    public mutating func probability(within time: Double) -> Double {
        guard time >= 0 else { return 0 }
        guard rate > 0 else { return 1 }
        let steps = (time / service).rounded(.down)
        // So far out that what is left is below any figure that is printed.
        guard steps < 2_000 else { return 1 }
        let count = Int(steps) + 1
        extend(to: count)
        let shifted = rate * (Double(count) * service - time)
        var term = exponential(-shifted)
        var sum = 0.0
        for place in 0..<count {
            sum += term * waiting[count - 1 - place]
            term *= shifted / Double(place + 1)
        }
        return min(1, sum)
    }

    /// Works out `waiting` up to `count` entries, by the chain of numbers left behind by departures:
    /// `p(n + 1) a(0) = p(0) b(n) + sum over i in 1...n of p(i) b(n + 1 - i)` with `a` arrivals in a service and `b(n)` more than `n` of them.
    private mutating func extend(to count: Int) {
        guard waiting.count < count else { return }
        let none = exponential(-load)
        if present.isEmpty { present = [1 - load] }
        var term = none
        var sum = none
        beyond = [1 - sum]
        for arrivals in 1...count + 1 {
            term *= load / Double(arrivals)
            sum += term
            beyond.append(max(0, 1 - sum))
        }
        while present.count <= count {
            let last = present.count - 1
            var next = present[0] * beyond[last]
            for place in stride(from: 1, through: last, by: 1) { next += present[place] * beyond[last + 1 - place] }
            present.append(next / none)
        }
        // At most n wait when at most n + 1 are there.
        var total = 0.0
        waiting = []
        for place in 0...count {
            total += present[place]
            if place > 0 { waiting.append(min(1, total)) }
        }
    }
}
