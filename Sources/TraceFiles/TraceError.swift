/// One thing wrong in a trace file, with its place.
public struct TraceDiagnostic: Error, Sendable, Equatable, CustomStringConvertible {
    public var path: String
    /// From 1.
    public var line: Int
    /// In bytes, from 1.
    public var column: Int
    public var found: String
    public var expected: String

    public init(path: String, line: Int, column: Int, found: String, expected: String) {
        self.path = path
        self.line = line
        self.column = column
        self.found = found
        self.expected = expected
    }

    public var description: String { "\(path):\(line):\(column): found \(found), expected \(expected)" }
}

/// Why a trace cannot be used: every broken line found in one pass, up to `TraceError.reported`.
public struct TraceError: Error, Sendable, Equatable, CustomStringConvertible {
    /// How many broken lines are reported; the others are counted.
    public static let reported = 20

    public var diagnostics: [TraceDiagnostic]
    /// Broken lines beyond those reported.
    public var omitted: Int

    public init(_ diagnostics: [TraceDiagnostic], omitted: Int = 0) {
        self.diagnostics = diagnostics
        self.omitted = omitted
    }

    /// A diagnostic a line.
    public var description: String {
        let lines = diagnostics.map(\.description)
        return (omitted == 0 ? lines : lines + ["and \(omitted) more broken lines"]).joined(separator: "\n")
    }
}

/// What is wrong in a line, for its reader to complete with the place of the line.
struct LineProblem: Error, Equatable {
    /// Offset in bytes from the start of the line.
    var offset: Int
    var found: String
    var expected: String
}
