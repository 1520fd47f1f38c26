import Quantities

/// Nothing is done before a worker is ended: its requests are missed when its silence is.
///
/// Source: what a cluster does that does not read its provider's notices. What runs at the end is recomputed after the failure detector's time-out. Cost O(1).
public struct NoPreemptionHandling: PreemptionPolicy {
    public static let description = PolicyDescription(
        name: "none", summary: "nothing is done before the end", source: "restart and reload, a baseline of SpotServe (ASPLOS 24)")
    public static let announces = false

    public init(parameters: PolicyParameters, random: RandomStream) {}
}
