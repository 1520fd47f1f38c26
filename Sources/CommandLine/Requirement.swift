import Quantities

/// A verdict on a run: a figure of its summary and a bound on it, such as `ttft_s.p99<0.5`.
public struct Requirement: Sendable, Equatable {
    /// How the figure must compare to the bound.
    public enum Relation: String, Sendable, CaseIterable {
        case less = "<"
        case atMost = "<="
        case more = ">"
        case atLeast = ">="
        case equal = "=="
    }

    /// What a summary says to a requirement.
    public enum Verdict: Sendable, Equatable {
        case holds(actual: Double)
        case fails(actual: Double)
        /// The summary has the figure's name, but the run gave it no value: nothing was measured. Counts as not held.
        case noValue
        /// The summary has no such figure.
        case unknownPath(nearest: String?)
    }

    /// Dotted path into `summary.json`.
    public var path: String
    public var relation: Relation
    /// In the figure's own unit (SI).
    public var bound: Double

    public init(path: String, relation: Relation, bound: Double) {
        self.path = path
        self.relation = relation
        self.bound = bound
    }

    /// Reads `PATH RELATION NUMBER`; white space around the parts is allowed.
    /// - Throws: what was found and what was expected.
    public init(_ text: String) throws(UsageError) {
        switch Self.read(text) {
        case .success(let requirement): self = requirement
        case .failure(let error): throw error
        }
    }

    /// What is wrong with a text, or `nil`: for the command table.
    @Sendable public static func problem(in text: String) -> String? {
        guard case .failure(let error) = read(text) else { return nil }
        return error.problems.first
    }

    private static func read(_ text: String) -> Result<Requirement, UsageError> {
        func failure(_ expected: String) -> Result<Requirement, UsageError> { .failure(UsageError(["found '\(text)', expected \(expected)"])) }
        let signs: Set<Character> = ["<", ">", "=", "!"]
        guard let start = text.firstIndex(where: signs.contains) else {
            return failure("a figure, a relation and a number, such as 'ttft_s.p99<0.5'")
        }
        let end = text[start...].firstIndex { !signs.contains($0) } ?? text.endIndex
        guard let relation = Relation(rawValue: String(text[start..<end])) else {
            return failure("one of \(alternatives(Relation.allCases.map(\.rawValue))) in place of '\(text[start..<end])'")
        }
        let path = trim(text[..<start])
        guard !path.isEmpty, !path.contains(where: \.isWhitespace) else { return failure("the path of a figure before '\(relation.rawValue)'") }
        guard let bound = plainNumber(trim(text[end...])) else {
            return failure("a plain number in the figure's SI unit after '\(relation.rawValue)'")
        }
        return .success(Requirement(path: String(path), relation: relation, bound: bound))
    }

    /// The requirement as it can be typed.
    public var text: String { "\(path)\(relation.rawValue)\(bound)" }

    /// Judges a summary given as its figures by path; a figure may be there without a value.
    public func verdict(on figures: [(path: String, value: Double?)]) -> Verdict {
        guard let figure = figures.first(where: { $0.path == path }) else {
            return .unknownPath(nearest: Self.nearestPath(to: path, among: figures.map(\.path)))
        }
        guard let actual = figure.value else { return .noValue }
        return isMet(by: actual) ? .holds(actual: actual) : .fails(actual: actual)
    }

    private func isMet(by actual: Double) -> Bool {
        switch relation {
        case .less: actual < bound
        case .atMost: actual <= bound
        case .more: actual > bound
        case .atLeast: actual >= bound
        case .equal: actual == bound
        }
    }

    /// A path with few edits, or one that differs by a missing unit or section (`ttft.p99`, `p99` for `ttft_s.p99`).
    private static func nearestPath(to path: String, among paths: [String]) -> String? {
        if let near = nearest(path, among: paths) { return near }
        let suffix = "." + path
        return paths.first { $0.hasSuffix(suffix) || $0.hasPrefix(path + ".") }
    }
}

/// Without white space at its ends.
private func trim(_ text: Substring) -> Substring {
    var rest = text.drop(while: \.isWhitespace)
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return rest
}
