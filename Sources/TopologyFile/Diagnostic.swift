/// Where something stands in a text that a person wrote. Lines and columns count from 1; columns count characters.
public struct Place: Sendable, Hashable {
    /// The file as the user named it, or the setting (`--set seed=x`).
    public var file: String
    public var line: Int
    public var column: Int

    public init(file: String, line: Int = 1, column: Int = 1) {
        self.file = file
        self.line = line
        self.column = column
    }
}

extension Place: CustomStringConvertible {
    public var description: String { "\(printable(file)):\(line):\(column)" }
}

/// One mistake in an input. Its text is `file:line:column: what is wrong, what was expected`.
public struct Diagnostic: Error, Sendable, Hashable {
    public var place: Place
    /// What was found and what was expected, in one line.
    public var message: String

    public init(place: Place, message: String) {
        self.place = place
        self.message = message
    }
}

extension Diagnostic: CustomStringConvertible {
    public var description: String { "\(place): \(message)" }
}

/// All mistakes of an input, sorted by place. Never empty.
public struct Diagnostics: Error, Sendable, Equatable {
    public var list: [Diagnostic]

    public init(_ list: [Diagnostic]) { self.list = list }
}

extension Diagnostics: CustomStringConvertible {
    /// One line a mistake.
    public var description: String { list.map(\.description).joined(separator: "\n") }
}

/// `text` as an error quotes it: one line, at most 60 characters, nothing that could move a terminal's cursor.
func quoted(_ text: String) -> String {
    let scalars = text.unicodeScalars
    return "'\(printable(String(scalars.prefix(60))))\(scalars.count > 60 ? "…" : "")'"
}

/// `text` with a question mark for each character that could move a terminal's cursor or end the line.
func printable(_ text: String) -> String {
    var shown = ""
    for scalar in text.unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: shown += "?"
        default: shown.unicodeScalars.append(scalar)
        }
    }
    return shown
}

/// Alternatives as an error lists them.
func listed(_ names: [String]) -> String { names.joined(separator: ", ") }

/// `; did you mean 'x'?` when a name is near, else nothing.
func suggestion(_ name: String?) -> String { name.map { "; did you mean '\($0)'?" } ?? "" }
