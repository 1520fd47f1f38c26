/// The decisions whose cost is measured.
public enum DecisionKind: Int, Sendable, CaseIterable {
    /// Where a new request goes, or a batch of them.
    case routing
    /// Where a prefilled request goes.
    case decodeRouting
    /// Whether a request is taken.
    case admission
    /// What a worker computes next, where requests wait.
    case scheduling

    /// What the summary calls it.
    public var name: String {
        switch self {
        case .routing: "routing"
        case .decodeRouting: "decode_routing"
        case .admission: "admission"
        case .scheduling: "scheduling"
        }
    }
}
