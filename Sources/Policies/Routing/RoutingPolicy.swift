import Quantities

/// What the controller may know of a request when it routes it. The output length is not there, only what is predicted of it.
public struct RequestView: Sendable, Equatable {
    public var id: Int64
    public var promptTokens: Int32
    /// Smaller is more urgent.
    public var priority: Int32
    /// What is predicted of its output length.
    public var prediction: Prediction

    public init(id: Int64, promptTokens: Int32, priority: Int32, prediction: Prediction = .unknown) {
        self.id = id
        self.promptTokens = promptTokens
        self.priority = priority
        self.prediction = prediction
    }
}

/// What the controller knows of a worker: the last load report that reached it, and what it has sent since.
public struct WorkerView: Sendable, Equatable {
    /// When the report was made, at the worker; 0 before the first.
    public var reportedAt: Instant = 0
    /// Requests that waited and that ran when the report was made.
    public var waitingRequests: Int64 = 0
    public var runningRequests: Int64 = 0
    /// Tokens that were still to be prefilled.
    public var waitingTokens: Int64 = 0
    /// Cache blocks in use, and blocks that exist.
    public var usedBlocks: Int64 = 0
    public var totalBlocks: Int64
    /// Requests sent to the worker that the report does not cover, and their prompt tokens.
    public var unseenRequests: Int64 = 0
    public var unseenTokens: Int64 = 0
    /// Tokens in a cache block.
    public var blockSize: Int64

    public init(totalBlocks: Int64, blockSize: Int64) {
        self.totalBlocks = totalBlocks
        self.blockSize = blockSize
    }

    /// Requests at the worker or on their way to it, as far as the controller can tell.
    public var queueLength: Int64 { waitingRequests + runningRequests + unseenRequests }

    /// Cache blocks in use or soon to be, as far as the controller can tell.
    public var expectedBlocks: Int64 { usedBlocks + (unseenTokens + blockSize - 1) / blockSize }
}

/// Decides which worker of a pool a request goes to. Called once a request.
public protocol RoutingPolicy: Sendable {
    static var description: PolicyDescription { get }

    /// - Parameters:
    ///   - parameters: checked values, one for each described parameter.
    ///   - random: the policy's own stream.
    init(parameters: PolicyParameters, random: RandomStream)

    /// The place in `workers` (never empty) that the request goes to.
    mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int
}

/// The values of a policy's parameters, defaults filled in.
public struct PolicyParameters: Sendable, Equatable {
    private var values: [String: Double]

    /// - Parameters:
    ///   - choice: what the topology says.
    ///   - description: what the policy has.
    public init(_ choice: PolicyChoice, for description: PolicyDescription) {
        values = [:]
        for parameter in description.parameters {
            values[parameter.name] = choice.parameters[parameter.name] ?? parameter.defaultValue
        }
    }

    /// The value of a described parameter; 0 for any other name.
    public subscript(name: String) -> Double { values[name] ?? 0 }
}
