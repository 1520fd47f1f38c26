/// A command line that makes no sense: everything that is wrong with it.
public struct UsageError: Error, Equatable, Sendable {
    /// The exit code of every usage error.
    public static let exitCode: Int32 = 2

    /// What is wrong, one entry a mistake.
    public var problems: [String]
    /// The verb, where one was understood.
    public var verb: String?

    public init(_ problems: [String], verb: String? = nil) {
        self.problems = problems
        self.verb = verb
    }

    /// The lines for standard error, each ended by a newline.
    public func text(program: String) -> String {
        let place = verb.map { program + " " + $0 } ?? program
        let help = verb.map { program + " help " + $0 } ?? program + " help"
        return problems.map { "\(place): \($0)\n" }.joined() + "Try '\(help)'.\n"
    }
}
