import Terminal

/// The figure of a run's summary that variants are compared by.
public struct Metric: Sendable, Equatable {
    /// Dotted path into `summary.json`.
    public var path: String
    public var lowerIsBetter: Bool

    /// - Parameter lowerIsBetter: `nil` to go by the name.
    public init(_ path: String, lowerIsBetter: Bool? = nil) {
        self.path = path
        self.lowerIsBetter = lowerIsBetter ?? Self.guess(path)
    }

    /// Times, energy, failures and imbalance are better low; what is served, and how busy devices are, high.
    private static func guess(_ path: String) -> Bool {
        let parts = path.split(separator: ".").map(String.init)
        if ["throughput", "goodput"].contains(parts.first) || parts.last == "busy_fraction" || parts.last == "compute_fraction" { return false }
        return !["requests.done", "requests.offered"].contains(path)
    }

    /// Whether one value is better than another.
    public func isBetter(_ one: Double, than other: Double) -> Bool { lowerIsBetter ? one < other : one > other }

    /// A value for people.
    public func text(_ value: Double) -> String {
        let parts = path.split(separator: ".")
        if parts.contains(where: { $0.hasSuffix("_s") && !$0.hasSuffix("_per_s") }) { return Figures.time(value) }
        if parts.contains(where: { $0.hasSuffix("_fraction") || $0 == "attainment" }) { return Figures.share(value) }
        return parts.last == "joules" || parts.last == "energy_joules" ? Figures.energy(value) : Figures.number(value)
    }
}
