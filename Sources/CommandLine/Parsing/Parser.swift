extension CommandTable {
    /// Reads the arguments after the program's name.
    ///
    /// Takes `--option value`, `--option=value`, `-o value`, `-ovalue`, joined short flags and `--`, after which everything is positional.
    /// Help wins over every mistake.
    /// - Throws: every mistake at once.
    public func parse(_ arguments: [String]) throws(UsageError) -> Invocation {
        guard let first = arguments.first else { throw UsageError(["expected a verb: \(alternatives(visibleVerbs.map(\.name)))"]) }
        if first == "--help" || first == "-h" { return .help(verb: nil) }
        // Habit asks for `--version` although everything else is a verb.
        let name = first == "--version" && verb(named: "version") != nil ? "version" : first
        guard let verb = verb(named: name) else { throw UsageError([unknownVerb(name)]) }
        var parser = Parser(verb: verb)
        parser.read(arguments.dropFirst())
        if parser.wantsHelp { return .help(verb: verb.name) }
        parser.checkPositionals()
        guard parser.problems.isEmpty else { throw UsageError(parser.problems, verb: verb.name) }
        if verb.name == "help" { return try help(parser.command.arguments.first) }
        return .run(parser.command)
    }

    private func help(_ name: String?) throws(UsageError) -> Invocation {
        guard let name else { return .help(verb: nil) }
        guard verb(named: name) != nil else { throw UsageError([unknownVerb(name)]) }
        return .help(verb: name)
    }

    private func unknownVerb(_ name: String) -> String {
        if name.hasPrefix("-") { return "found option '\(name)' where a verb was expected" }
        return "unknown verb '\(name)'" + didYouMean(name, among: visibleVerbs.map(\.name))
    }
}

/// Reads the arguments of one verb and keeps every mistake.
private struct Parser {
    let verb: Verb
    let options: [Option]
    var command: ParsedCommand
    var problems: [String] = []
    var wantsHelp = false
    /// An unknown option may have left its value among the positional arguments: their number says nothing then.
    var positionalsUncertain = false

    init(verb: Verb) {
        self.verb = verb
        options = verb.options + [.help]
        command = ParsedCommand(verb: verb.name, arguments: [], options: [])
    }

    mutating func read(_ arguments: ArraySlice<String>) {
        var rest = arguments
        while let argument = rest.popFirst() {
            if argument == "--" {
                command.arguments += rest
                return
            } else if argument.hasPrefix("--") {
                readLong(argument.dropFirst(2), &rest)
            } else if argument.hasPrefix("-"), argument != "-" {
                readShort(argument.dropFirst(), &rest)
            } else {
                command.arguments.append(argument)
            }
        }
    }

    private mutating func readLong(_ text: Substring, _ rest: inout ArraySlice<String>) {
        let sign = text.firstIndex(of: "=")
        let name = String(text[..<(sign ?? text.endIndex)])
        let attached = sign.map { String(text[text.index(after: $0)...]) }
        guard let option = options.first(where: { $0.name == name }) else {
            problems.append("unknown option '--\(name)'" + didYouMean(name, among: options.map(\.name), prefix: "--"))
            positionalsUncertain = positionalsUncertain || attached == nil
            return
        }
        take(option, attached: attached, shown: "--" + name, &rest)
    }

    private mutating func readShort(_ text: Substring, _ rest: inout ArraySlice<String>) {
        var letters = text
        while let letter = letters.popFirst() {
            guard let option = options.first(where: { $0.short == letter }) else {
                problems.append("unknown option '-\(letter)'")
                positionalsUncertain = true
                return
            }
            guard option.value != nil else {
                take(option, attached: nil, shown: "-\(letter)", &rest)
                continue
            }
            if letters.first == "=" { letters.removeFirst() }
            take(option, attached: letters.isEmpty ? nil : String(letters), shown: "-\(letter)", &rest)
            return
        }
    }

    private mutating func take(_ option: Option, attached: String?, shown: String, _ rest: inout ArraySlice<String>) {
        if option.name == Option.help.name { wantsHelp = true }
        let isRepeated = command.has(option.name) && !option.repeatable
        if isRepeated { problems.append("option '\(shown)' was given more than once") }
        guard let value = option.value else {
            if let attached { problems.append("option '\(shown)' takes no value, found '\(attached)'") }
            command.options.append(.init(name: option.name, value: nil))
            return
        }
        guard let text = attached ?? nextValue(&rest) else {
            problems.append("option '\(shown)' needs a value: \(shown) \(value.name)")
            return
        }
        if let problem = value.kind.problem(with: text) { problems.append("option '\(shown)': \(problem)") }
        command.options.append(.init(name: option.name, value: text))
    }

    /// The next argument, unless it looks like an option; a negative number does not.
    private func nextValue(_ rest: inout ArraySlice<String>) -> String? {
        guard let next = rest.first else { return nil }
        if next.hasPrefix("-"), next != "-", plainNumber(next) == nil { return nil }
        return rest.popFirst()
    }

    mutating func checkPositionals() {
        let standsAlone = options.contains { $0.standsAlone && command.has($0.name) }
        let required = standsAlone ? 0 : verb.positionals.filter(\.count.isRequired).count
        let given = command.arguments
        if !positionalsUncertain, given.count < required {
            problems.append("expected " + verb.positionals.dropFirst(given.count).filter(\.count.isRequired).map(\.name).joined(separator: " "))
        }
        let isOpen = verb.positionals.last?.count.isRepeated ?? false
        if !positionalsUncertain, !isOpen, given.count > verb.positionals.count {
            problems += given.dropFirst(verb.positionals.count).map { "unexpected argument '\($0)'" }
        }
        for (index, text) in given.enumerated() {
            let place = min(index, verb.positionals.count - 1)
            guard place >= 0, index < verb.positionals.count || isOpen else { break }
            let positional = verb.positionals[place]
            if let problem = positional.kind.problem(with: text) { problems.append("\(positional.name): \(problem)") }
        }
    }
}
