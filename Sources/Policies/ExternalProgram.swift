import Quantities

/// A program outside that decides in a policy's place: what a topology names by the policy `process`.
///
/// It is told what a policy of the family sees, over a ZeroMQ socket (`CWire/policy.proto`). With the first answer that is late, wrong or missing it is
/// given up for good, and the fallback decides all that is left.
public struct ExternalProgram: Sendable, Equatable {
    /// What a topology calls it.
    public static let policyName = "process"
    /// For lists of policies.
    public static let description = PolicyDescription(
        name: policyName, summary: "asks a program outside, in any language, over a ZeroMQ socket", source: "yours; examples/policies")
    /// What a topology says of it, with the default ("" where there is none) and what it is.
    public static let settings: [(name: String, value: String, summary: String)] = [
        ("command", "", "The program and its arguments, as a list; it is started with its endpoint as one argument more, and ends with the run."),
        ("endpoint", "", "In place of command: where a program listens that somebody else has started; ipc:///PATH, or tcp://127.0.0.1:PORT."),
        ("timeout", "1s", "Host time that an answer may take; after a later one the fallback decides for good."),
        ("fallback", "join-shortest-queue or fcfs", "The policy that decides when the program is given up."),
    ]

    /// The program and its arguments; empty where somebody else starts it.
    public var command: [String]
    /// Where it listens, if somebody else starts it.
    public var endpoint: String?
    /// Host time that an answer may take.
    public var timeout: Nanoseconds
    private var fallbackName: String
    private var fallbackParameters: [String: Double]

    /// - Parameter fallback: a policy of the same family that is no program.
    public init(command: [String] = [], endpoint: String? = nil, timeout: Nanoseconds = 1_000_000_000, fallback: PolicyChoice) {
        self.command = command
        self.endpoint = endpoint
        self.timeout = timeout
        fallbackName = fallback.name
        fallbackParameters = fallback.parameters
    }

    /// The policy that decides when the program is given up.
    public var fallback: PolicyChoice {
        get { PolicyChoice(fallbackName, parameters: fallbackParameters) }
        set { (fallbackName, fallbackParameters) = (newValue.name, newValue.parameters) }
    }
}
