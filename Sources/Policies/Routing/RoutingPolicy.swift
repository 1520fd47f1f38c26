import Quantities

/// What the controller may know of a request when it routes it. The output length is not there, only what is predicted of it.
public struct RequestView: Sendable, Equatable {
    public var id: Int64
    public var promptTokens: Int32
    /// Smaller is more urgent.
    public var priority: Int32
    /// What is predicted of its output length.
    public var prediction: Prediction
    /// Output tokens that it has produced elsewhere, before a fault; they are among its prompt's.
    public var generated: Int32 = 0
    /// When it arrived at the cluster, and when the decision is made.
    public var arrival: Instant = 0
    public var now: Instant = 0
    /// The conversation that it belongs to: requests of one share their beginnings. Its own number where nothing is known of conversations.
    public var session: Int64

    public init(id: Int64, promptTokens: Int32, priority: Int32, prediction: Prediction = .unknown) {
        self.id = id
        self.promptTokens = promptTokens
        self.priority = priority
        self.prediction = prediction
        session = id
    }

    /// Output tokens that it is predicted to produce yet.
    public var predictedLeft: Int64 { max(1, Int64(prediction.expected) - Int64(generated)) }
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

    /// Whether a new request is refused rather than sent to any of `workers`. Asked before `choose`, of the policy that new requests meet first.
    mutating func refuses(_ request: RequestView, among workers: [WorkerView]) -> Bool

    /// Processor time of one decision on `waiting` requests and `workers` workers, as charged where a topology says `decision-cost: model`.
    func decisionTime(waiting: Int, workers: Int) -> Nanoseconds
}

extension RoutingPolicy {
    public mutating func refuses(_ request: RequestView, among workers: [WorkerView]) -> Bool { false }

    /// Half a microsecond, and 4 ns for each worker looked at: within a factor of two of what `join-shortest-queue` and `least-kv` take.
    public func decisionTime(waiting: Int, workers: Int) -> Nanoseconds { 500 + 4 * Nanoseconds(workers) }
}

/// A routing policy that decides on several requests at once.
///
/// Requests wait at the controller until a worker has room: late binding. The controller asks when a request comes and when a load report does, if
/// there is room anywhere; where workers are ranks that end iterations together, when their reports have come. Where a request needs its worker before (a
/// cache that is pushed by layers), `choose` decides on it alone.
public protocol BatchRoutingPolicy: RoutingPolicy {
    /// For each waiting request the place of its worker, or -1 to let it wait on.
    ///
    /// - Parameters:
    ///   - waiting: the oldest of the requests that wait, in the order of their arrival at the controller; never empty.
    ///   - slots: how many of them each worker has room for; not all 0. What goes beyond is not sent.
    mutating func assign(_ waiting: [RequestView], to workers: [WorkerView], slots: [Int]) -> [Int]
}

extension BatchRoutingPolicy {
    public mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int {
        let choice = assign([request], to: workers, slots: Array(repeating: 1, count: workers.count))
        return choice.first.map { min(max($0, 0), workers.count - 1) } ?? 0
    }
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
