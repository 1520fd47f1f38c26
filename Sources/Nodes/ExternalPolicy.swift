import Policies
import Quantities
import Records

/// What a program outside answers.
public enum ExternalAnswer<Value> {
    case given(Value)
    /// Nothing, in the time that it has.
    case late
    /// Something else than what it was asked, and what.
    case wrong(String)
    /// It is not there, and why.
    case gone(String)
}

extension ExternalAnswer: Sendable where Value: Sendable {}

/// The way to a program outside, which the shell gives: the core has no sockets.
public protocol ExternalDecider: AnyObject {
    /// Has the program begin with nothing in its memory.
    /// - Parameter born: when the node that asks began to be.
    func begin(born: Instant) -> ExternalAnswer<Void>

    /// The place in `workers` that a request goes to.
    func route(_ request: RequestView, among workers: [WorkerView]) -> ExternalAnswer<Int>

    /// The places in `waiting` of the requests that join, in order.
    func admit(from waiting: WaitingQueue, _ engine: EngineView) -> ExternalAnswer<[Int]>

    /// The program is asked nothing more.
    func giveUp(_ reason: String)
}

/// Which decisions of which node a program is for.
public struct ExternalUse: Sendable {
    public var program: ExternalProgram
    public var kind: DecisionKind
    public var node: String
    /// Of the run.
    public var seed: UInt64
}

/// A program outside that decides in a policy's place, until it fails for the first time.
///
/// From then on it is asked nothing, so that a program that is late now and then makes no run in which chance mixes its decisions with the fallback's.
final class ExternalPolicy {
    private let decider: any ExternalDecider
    private let clock: () -> Int64
    private(set) var counts = ExternalStatistics()
    private(set) var isInCharge = true

    init(_ decider: any ExternalDecider, clock: @escaping () -> Int64) {
        self.decider = decider
        self.clock = clock
        counts.programs = 1
    }

    /// The node begins to be, or to be anew.
    func begin(born: Instant) {
        guard isInCharge else { return }
        _ = taken(decider.begin(born: born), at: born)
    }

    /// The place in `workers` that the program sends a request to; `nil` when the fallback decides.
    func route(_ request: RequestView, among workers: [WorkerView]) -> Int? {
        ask(at: request.now) {
            let answer = decider.route(request, among: workers)
            guard case .given(let place) = answer, !workers.indices.contains(place) else { return answer }
            return .wrong("worker \(place) of \(workers.count)")
        }
    }

    /// The waiting requests that the program has join; `nil` when the fallback decides.
    func admit(from waiting: WaitingQueue, _ engine: EngineView) -> [QueuedRequest]? {
        let places = ask(at: engine.now) {
            let answer = decider.admit(from: waiting, engine)
            guard case .given(let places) = answer else { return answer }
            var isNamed = Array(repeating: false, count: waiting.count)
            for place in places {
                guard isNamed.indices.contains(place) else { return .wrong("request \(place) of \(waiting.count) that wait") }
                guard !isNamed[place] else { return .wrong("request \(place) twice") }
                isNamed[place] = true
            }
            return answer
        }
        return places.map { $0.map { waiting[$0] } }
    }

    private func ask<Value>(at now: Instant, _ question: () -> ExternalAnswer<Value>) -> Value? {
        guard isInCharge else {
            counts.fallback += 1
            return nil
        }
        counts.asked += 1
        let start = clock()
        let value = taken(question(), at: now)
        if value != nil {
            counts.answered += 1
            counts.answers.add(clock() - start)
        } else {
            counts.fallback += 1
        }
        return value
    }

    private func taken<Value>(_ answer: ExternalAnswer<Value>, at now: Instant) -> Value? {
        switch answer {
        case .given(let value): return value
        case .late:
            counts.late += 1
            decider.giveUp("gave no answer in time")
        case .wrong(let what):
            counts.wrong += 1
            decider.giveUp("answered \(what)")
        case .gone(let why):
            counts.gone += 1
            decider.giveUp(why)
        }
        isInCharge = false
        counts.since = min(counts.since, now)
        return nil
    }
}

/// The programs outside that decide for one node.
public final class ExternalDesk {
    private let connect: (ExternalUse) -> any ExternalDecider
    private let clock: () -> Int64
    /// By kind of decision.
    private var policies: [ExternalPolicy?] = Array(repeating: nil, count: DecisionKind.allCases.count)

    /// - Parameters:
    ///   - clock: host time in nanoseconds, for how long answers take; it changes nothing.
    ///   - connect: finds or starts a program.
    public init(clock: @escaping () -> Int64, connect: @escaping (ExternalUse) -> any ExternalDecider) {
        self.clock = clock
        self.connect = connect
    }

    /// The program that a choice names, told that its node is born; `nil` when it names none.
    func policy(_ choice: PolicyChoice, _ kind: DecisionKind, node: String, seed: UInt64, born: Instant) -> ExternalPolicy? {
        guard let program = choice.program else { return nil }
        let policy =
            policies[kind.rawValue]
            ?? ExternalPolicy(connect(ExternalUse(program: program, kind: kind, node: node, seed: seed)), clock: clock)
        policies[kind.rawValue] = policy
        policy.begin(born: born)
        return policy
    }

    /// What became of the programs, by kind of decision; empty where there are none.
    var statistics: [ExternalStatistics] {
        policies.contains { $0 != nil } ? policies.map { $0?.counts ?? ExternalStatistics() } : []
    }
}
