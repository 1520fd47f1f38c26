import Quantities

/// The workers of one phase, as the controller knows them when it may begin or end some.
public struct ScalingView: Sendable {
    public var now: Instant
    /// Workers that serve.
    public var serving: [WorkerView]
    /// Workers that have been told to begin and are not there yet.
    public var starting: Int
    /// Requests that wait at the controller for one of these workers.
    public var heldRequests: Int64

    public init(now: Instant, serving: [WorkerView], starting: Int = 0, heldRequests: Int64 = 0) {
        self.now = now
        self.serving = serving
        self.starting = starting
        self.heldRequests = heldRequests
    }

    /// Requests at workers, on their way there, or at the controller.
    public var requests: Int64 { serving.reduce(heldRequests) { $0 + $1.queueLength } }
}

/// What is to become of the number of workers.
public enum ScalingStep: Int, Sendable {
    case fewer = -1
    case same = 0
    case more = 1
}

/// Decides how many workers serve. Asked when a request or a load report reaches the controller; each step is of one worker.
public protocol ScalingPolicy: Sendable {
    static var description: PolicyDescription { get }

    /// - Parameter parameters: checked values, one for each described parameter.
    init(parameters: PolicyParameters)

    mutating func step(_ view: ScalingView) -> ScalingStep
}

/// The scaling policies that a topology can name. A new one is one file and one line here.
public enum ScalingRegistry {
    private static let policies: [any ScalingPolicy.Type] = [
        NoScaling.self,
        ThresholdScaling.self,
        FreenessScaling.self,
        QueueingScaling.self,
    ]

    /// Every policy, in the order of the registry.
    public static var descriptions: [PolicyDescription] { policies.map { $0.description } }

    /// Makes the policy that `choice` names; `nil` for an unknown name.
    public static func make(_ choice: PolicyChoice) -> (any ScalingPolicy)? {
        for policy in policies where policy.description.answers(to: choice.name) {
            return policy.init(parameters: PolicyParameters(choice, for: policy.description))
        }
        return nil
    }
}

/// Steps only after something has been so for a while, and lets that while pass between two steps.
struct SteadyStep: Sendable {
    static func parameter(_ seconds: Double) -> ParameterDescription {
        ParameterDescription(
            "hold", unit: "s", defaultValue: seconds, range: 0...86_400, summary: "how long it must be so before a step, and after the last one")
    }

    private let hold: Nanoseconds
    private var wanted = ScalingStep.same
    private var since: Instant = 0
    private var last: Instant?

    init(_ parameters: PolicyParameters) { hold = Nanoseconds(parameters["hold"] * 1e9) }

    /// The step, if it is due.
    mutating func take(_ step: ScalingStep, at now: Instant) -> ScalingStep {
        if step != wanted {
            wanted = step
            since = now
        }
        guard step != .same, now - since >= hold, last.map({ now - $0 >= hold }) ?? true else { return .same }
        last = now
        return step
    }
}
