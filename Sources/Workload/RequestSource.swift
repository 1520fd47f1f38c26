import Quantities

/// One request as the client offers it.
public struct RequestSpec: Sendable, Equatable {
    /// Number in the order of arrival, from 0.
    public var id: Int64
    /// When it arrives; in a closed loop, decided by the client and 0 here.
    public var arrival: Instant
    public var promptTokens: Int32
    /// Tokens that the model will produce: the truth, which only the engine that produces them looks at.
    public var outputTokens: Int32
    /// Smaller is more urgent.
    public var priority: Int32

    public init(id: Int64, arrival: Instant, promptTokens: Int32, outputTokens: Int32, priority: Int32 = 0) {
        self.id = id
        self.arrival = arrival
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.priority = priority
    }
}

/// Where a client's requests come from: a generator or an open trace. Asked once a request.
public protocol RequestSource: AnyObject {
    /// The next request in order of arrival, or `nil` after the last one.
    ///
    /// A trace that can no longer be read ends here and keeps the error for the shell to report.
    func next() -> RequestSpec?

    /// What kept the source from giving all its requests; `nil` for nothing.
    var problem: String? { get }
}

extension RequestSource {
    public var problem: String? { nil }
}
