import Cluster
import Quantities
import Records
import Workload

/// What a cluster that stays up can be told, as one line of JSON.
public struct ClusterCommand: Sendable, Equatable {
    /// One thing to do.
    public enum Action: Sendable, Equatable {
        /// How the cluster is.
        case status
        case kill([String])
        /// Without a duration until `unpause`.
        case pause([String], duration: Nanoseconds?)
        case unpause([String])
        case restart([String], after: Nanoseconds)
        /// Without a duration to the end.
        case slow([String], factor: Double, duration: Nanoseconds?)
        /// Two sides that cannot reach each other: nodes, or pools for all of their nodes. Without a duration until `heal`.
        case partition([String], [String], duration: Nanoseconds?)
        case heal
        case scale(pool: String, count: Int)
        case submit(Submission)
        /// Ends the cluster, at once or when every request has ended.
        case down(drains: Bool, format: SummaryFormat)
    }

    /// Requests to be sent.
    public enum Submission: Sendable, Equatable {
        /// Poisson arrivals. Without a seed the cluster chooses one by its own and the number of submissions before.
        case generated(rate: Double, requests: Int, promptTokens: LengthDistribution, outputTokens: LengthDistribution, seed: UInt64?)
        /// A trace by its absolute path; `requests`: at the most.
        case trace(TraceSource, requests: Int?)
    }

    /// How `down` wants the summary.
    public enum SummaryFormat: String, Sendable {
        case plain, colour, json
    }

    public var action: Action
    /// Emulated time at which it is to happen; `nil`: now.
    public var at: Instant?

    /// Whether the virtual clock is to stand still until a command comes that does not say so: then what follows can be told for any time.
    public var holds: Bool

    public init(_ action: Action, at: Instant? = nil, holds: Bool = false) {
        self.action = action
        self.at = at
        self.holds = holds
    }

    /// What it is called.
    public var verb: String {
        switch action {
        case .status: "status"
        case .kill: "kill"
        case .pause: "pause"
        case .unpause: "unpause"
        case .restart: "restart"
        case .slow: "slow"
        case .partition: "partition"
        case .heal: "heal"
        case .scale: "scale"
        case .submit: "submit"
        case .down: "down"
        }
    }

    /// Most requests of a submission.
    public static let requestLimit = 1_000_000_000
}

// MARK: - As JSON

extension ClusterCommand {
    /// The command, to be sent.
    var json: JSONValue {
        var members = [JSONValue.Member("verb", .string(verb))]
        func add(_ key: String, _ value: JSONValue?) { if let value { members.append(.init(key, value)) } }
        func list(_ names: [String]) -> JSONValue { .array(names.map(JSONValue.string)) }
        add("at", at.map(JSONValue.integer))
        add("hold", holds ? .bool(true) : nil)
        switch action {
        case .status, .heal: break
        case .kill(let nodes), .unpause(let nodes): add("nodes", list(nodes))
        case .pause(let nodes, let duration):
            add("nodes", list(nodes))
            add("for", duration.map(JSONValue.integer))
        case .restart(let nodes, let delay):
            add("nodes", list(nodes))
            add("after", .integer(delay))
        case .slow(let nodes, let factor, let duration):
            add("nodes", list(nodes))
            add("factor", .number(factor))
            add("for", duration.map(JSONValue.integer))
        case .partition(let left, let right, let duration):
            add("nodes", list(left))
            add("peers", list(right))
            add("for", duration.map(JSONValue.integer))
        case .scale(let pool, let count):
            add("pool", .string(pool))
            add("count", .integer(Int64(count)))
        case .submit(let submission): members += Self.members(of: submission)
        case .down(let drains, let format):
            add("drain", .bool(drains))
            add("format", .string(format.rawValue))
        }
        return .object(members)
    }

    private static func members(of submission: Submission) -> [JSONValue.Member] {
        switch submission {
        case .generated(let rate, let requests, let prompt, let output, let seed):
            let members: [JSONValue.Member] = [
                .init("rate", .number(rate)), .init("requests", .integer(Int64(requests))), .init("prompt", lengths(prompt)),
                .init("output", lengths(output)),
            ]
            return members + (seed.map { [.init("seed", .string("\($0)"))] } ?? [])
        case .trace(let source, let requests):
            let members: [JSONValue.Member] = [
                .init("trace", .string(source.path)), .init("trace-format", .string(source.format.rawValue)),
                .init("skip-bad-lines", .bool(source.skipBadLines)),
            ]
            return members + (requests.map { [.init("requests", .integer(Int64($0)))] } ?? [])
        }
    }

    private static func lengths(_ lengths: LengthDistribution) -> JSONValue {
        switch lengths {
        case .fixed(let tokens): .array([.integer(Int64(tokens))])
        case .uniform(let from, let through): .array([.integer(Int64(from)), .integer(Int64(through))])
        case .logNormal, .empirical: .null
        }
    }

    /// Reads a line that came over the socket; `nil` for what is no command.
    init?(reading line: [UInt8]) {
        guard let value = JSONValue(reading: line), let verb = value["verb"]?.asText else { return nil }
        let at = value["at"]?.asInteger
        guard let action = Action(verb, value), value["at"] == nil || (0..<Instant.never).contains(at ?? -1) else { return nil }
        self.init(action, at: at, holds: value["hold"]?.asFlag ?? false)
    }
}

extension ClusterCommand.Action {
    fileprivate init?(_ verb: String, _ value: JSONValue) {
        let fields = CommandFields(value)
        switch verb {
        case "status": self = .status
        case "heal": self = .heal
        case "submit":
            guard let submission = fields.submission else { return nil }
            self = .submit(submission)
        case "scale":
            guard let pool = value["pool"]?.asText, let count = fields.count("count", 0...1_000_000) else { return nil }
            self = .scale(pool: pool, count: count)
        case "down":
            guard let format = value["format"]?.asText.flatMap(ClusterCommand.SummaryFormat.init) else { return nil }
            self = .down(drains: value["drain"]?.asFlag ?? false, format: format)
        default:
            guard let action = Self.ofNodes(verb, fields) else { return nil }
            self = action
        }
    }

    private static func ofNodes(_ verb: String, _ fields: CommandFields) -> Self? {
        guard let nodes = fields.names("nodes"), fields.hasGoodTimes else { return nil }
        switch verb {
        case "kill": return .kill(nodes)
        case "pause": return .pause(nodes, duration: fields.time("for"))
        case "unpause": return .unpause(nodes)
        case "restart": return fields.time("after").map { .restart(nodes, after: $0) }
        case "slow":
            guard let factor = fields.value["factor"]?.asNumber, factor >= 1, factor <= 1_000_000 else { return nil }
            return .slow(nodes, factor: factor, duration: fields.time("for"))
        case "partition": return fields.names("peers").map { .partition(nodes, $0, duration: fields.time("for")) }
        default: return nil
        }
    }
}

/// The members of a command, checked.
private struct CommandFields {
    let value: JSONValue

    init(_ value: JSONValue) { self.value = value }

    func names(_ key: String) -> [String]? {
        guard let list = value[key]?.asList, !list.isEmpty else { return nil }
        let names = list.compactMap(\.asText)
        return names.count == list.count ? names : nil
    }

    func time(_ key: String) -> Nanoseconds? { value[key]?.asInteger.flatMap { (0..<Instant.never).contains($0) ? $0 : nil } }

    var hasGoodTimes: Bool { ["for", "after"].allSatisfy { value[$0] == nil || time($0) != nil } }

    func count(_ key: String, _ range: ClosedRange<Int64>) -> Int? {
        value[key]?.asInteger.flatMap { range.contains($0) ? Int($0) : nil }
    }

    private func lengths(_ key: String) -> LengthDistribution? {
        guard let list = value[key]?.asList else { return nil }
        let numbers = list.compactMap(\.asInteger)
        guard numbers.count == list.count, numbers.allSatisfy({ (1...Int64(longestRequestTokens)).contains($0) }) else { return nil }
        switch numbers.count {
        case 1: return .fixed(Int(numbers[0]))
        case 2 where numbers[0] <= numbers[1]: return .uniform(from: Int(numbers[0]), through: Int(numbers[1]))
        default: return nil
        }
    }

    var submission: ClusterCommand.Submission? {
        let requests = count("requests", 1...Int64(ClusterCommand.requestLimit))
        guard value["requests"] == nil || requests != nil else { return nil }
        if let path = value["trace"]?.asText {
            guard let format = value["trace-format"]?.asText.flatMap(TraceFormat.init), path.hasPrefix("/") else { return nil }
            return .trace(TraceSource(path: path, format: format, skipBadLines: value["skip-bad-lines"]?.asFlag ?? false), requests: requests)
        }
        let seed = value["seed"]?.asText.flatMap { UInt64($0) }
        guard value["seed"] == nil || seed != nil, let requests, let rate = value["rate"]?.asNumber, rate > 0, rate <= 1e9 else { return nil }
        guard let prompt = lengths("prompt"), let output = lengths("output") else { return nil }
        return .generated(rate: rate, requests: requests, promptTokens: prompt, outputTokens: output, seed: seed)
    }
}
