import Quantities

/// Decides where experts live and which replica a token goes to.
///
/// `place` plans from loads that lag behind; `split` runs for every layer of every batch. A policy's own state and random
/// stream are the same at every process that makes it with the same arguments and calls it in the same order.
public protocol BalancePolicy: Sendable {
    static var description: PolicyDescription { get }

    /// Why the policy cannot serve this fleet; `nil` when it can. Only asked for fleets that have no obstacle of their own.
    static func obstacle(to fleet: ExpertFleet, parameters: PolicyParameters) -> String?

    /// - Parameters:
    ///   - parameters: checked values, one for each described parameter.
    ///   - fleet: one to which there is no obstacle.
    ///   - random: the policy's own stream.
    ///   - solver: for policies that state a linear programme.
    init(parameters: PolicyParameters, fleet: ExpertFleet, random: RandomStream, solver: @escaping LinearSolver)

    /// Whether `split` goes by the tokens of all ranks: where the gate is on the sender's side they must be gathered before
    /// dispatch; where it is on the experts' side (Janus) every rank has them.
    var needsGlobalCounts: Bool { get }

    /// What a call of `split` costs on the emulated device.
    var decisionTime: Nanoseconds { get }

    /// Whether `split` is that of `ExpertPlacement.evenShares`, so that whoever has tokens by slot need not ask.
    var splitsEvenly: Bool { get }

    /// Places the experts of a layer: at the start, and at every re-plan. Each expert gets one slot or more.
    /// - Parameter loads: what each expert received lately, in any unit; zeros when nothing is known.
    mutating func place(layer: Int, loads: [Double]) -> ExpertPlacement

    /// Splits a batch's tokens over replicas.
    /// - Parameters:
    ///   - counts: tokens for each expert, not negative.
    ///   - placement: what `place` gave for this layer.
    ///   - tokensPerSlot: gets the tokens of each slot; any length before. Those of an expert's slots add up to its count.
    mutating func split(layer: Int, counts: [Int32], placement: ExpertPlacement, into tokensPerSlot: inout [Int32])
}

extension BalancePolicy {
    public static func obstacle(to fleet: ExpertFleet, parameters: PolicyParameters) -> String? { nil }
    /// A table look-up a token, on the device, hidden behind the gate.
    public var needsGlobalCounts: Bool { false }
    public var splitsEvenly: Bool { false }
    public var decisionTime: Nanoseconds { 0 }
}

extension ParameterDescription {
    /// What a policy's decision takes on the emulated device.
    static let decisionTime = ParameterDescription(
        "decision_us", unit: "us", defaultValue: 20, range: 0...100_000, summary: "time of the decision, a layer and batch")
}

extension PolicyParameters {
    /// The value of `ParameterDescription.decisionTime`.
    var decisionTime: Nanoseconds { nanoseconds(fromSeconds: self["decision_us"] / 1e6) }
}
