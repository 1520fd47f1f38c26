/// As many workers serve as from the start.
///
/// Source: a deployment of fixed size. Cost O(1).
public struct NoScaling: ScalingPolicy {
    public static let description = PolicyDescription(
        name: "none", summary: "as many workers serve as from the start", source: "a deployment of fixed size")

    public init(parameters: PolicyParameters) {}

    public mutating func step(_ view: ScalingView) -> ScalingStep { .same }
}
