/// Everything a user can type, as data: the parser, the help, the man page, the completions and the reference all read this one table.
public struct CommandTable: Sendable {
    /// Name of the executable.
    public var program: String
    /// What it is, in one line.
    public var summary: String
    /// Paragraphs for the man page and the reference.
    public var description: [String]
    /// In the order in which help lists them.
    public var verbs: [Verb]
    /// Exit codes and what they mean.
    public var exitCodes: [Note]
    /// Environment variables that are read.
    public var environment: [Note]

    public init(program: String, summary: String, description: [String] = [], verbs: [Verb], exitCodes: [Note] = [], environment: [Note] = []) {
        self.program = program
        self.summary = summary
        self.description = description
        self.verbs = verbs
        self.exitCodes = exitCodes
        self.environment = environment
    }

    /// The verb of that name, hidden ones included.
    public func verb(named name: String) -> Verb? { verbs.first { $0.name == name } }

    /// What help, man page and completions show.
    public var visibleVerbs: [Verb] { verbs.filter { !$0.hidden } }
}

/// A term and what it means: an exit code, an environment variable, an example.
public struct Note: Sendable {
    public var term: String
    public var text: String

    public init(_ term: String, _ text: String) {
        self.term = term
        self.text = text
    }
}

/// One verb: what it takes and what it does.
public struct Verb: Sendable {
    public var name: String
    /// One line, without a full stop.
    public var summary: String
    /// Paragraphs.
    public var description: [String]
    public var positionals: [Positional]
    public var options: [Option]
    /// Command lines and what they do.
    public var examples: [Note]
    /// Whether the verb is left out of help, man page and completions.
    public var hidden: Bool

    public init(
        _ name: String, _ summary: String, description: [String] = [], positionals: [Positional] = [], options: [Option] = [], examples: [Note] = [],
        hidden: Bool = false
    ) {
        self.name = name
        self.summary = summary
        self.description = description
        self.positionals = positionals
        self.options = options
        self.examples = examples
        self.hidden = hidden
    }
}

/// An argument that is known by its place. Only the last one may be given more than once.
public struct Positional: Sendable {
    /// How often it may be given.
    public enum Count: Sendable {
        case one, optional, oneOrMore, any

        var isRequired: Bool { self == .one || self == .oneOrMore }
        var isRepeated: Bool { self == .oneOrMore || self == .any }
    }

    /// In upper case, as help shows it.
    public var name: String
    public var text: String
    public var count: Count
    public var kind: ValueKind
    public var completion: Completion

    public init(_ name: String, _ text: String, count: Count = .one, kind: ValueKind = .text, completion: Completion = .none) {
        self.name = name
        self.text = text
        self.count = count
        self.kind = kind
        self.completion = completion
    }
}

/// An option: a flag, or one that takes a value.
public struct Option: Sendable {
    /// Without the dashes.
    public var name: String
    public var short: Character?
    /// `nil` for a flag.
    public var value: Value?
    public var text: String
    public var repeatable: Bool
    /// Whether the verb needs none of its positional arguments when this option is given.
    public var standsAlone: Bool

    /// What an option's value looks like.
    public struct Value: Sendable {
        /// In upper case, as help shows it.
        public var name: String
        public var kind: ValueKind
        /// What holds when the option is left out, in words.
        public var fallback: String?
        public var completion: Completion

        public init(_ name: String, _ kind: ValueKind = .text, fallback: String? = nil, completion: Completion = .none) {
            self.name = name
            self.kind = kind
            self.fallback = fallback
            self.completion = completion
        }
    }

    public init(_ name: String, _ text: String, short: Character? = nil, value: Value? = nil, repeatable: Bool = false, standsAlone: Bool = false) {
        self.name = name
        self.short = short
        self.value = value
        self.text = text
        self.repeatable = repeatable
        self.standsAlone = standsAlone
    }

    /// The option that every verb has.
    static let help = Option("help", "Print the help of the verb.", short: "h")
}

/// What a value may be. The parser refuses anything else, so a verb need not check again.
public enum ValueKind: Sendable {
    case text
    case integer(ClosedRange<UInt64>)
    /// A finite number more than 0 and at most `limit`.
    case positiveNumber(limit: Double)
    case choice([String])
    /// Some of the words, joined by commas.
    case list([String])
    /// `KEY=VALUE`.
    case assignment
    /// Says what is wrong with a text, or `nil`.
    case checked(@Sendable (String) -> String?)
}

/// What a shell offers for a value.
public enum Completion: Sendable {
    case none
    /// Files whose name ends in one of these, and directories; any file when there is none.
    case files([String])
    case directories
    /// The lines that the program prints for these arguments, and files with these endings.
    case command(String, files: [String])
    /// The names of the verbs.
    case verbs
}
