extension CommandTable {
    /// The manual page in troff with the `man` macros, section 1.
    public func manPage(version: String) -> String {
        var page = ManWriter()
        page.line(".TH \(ManWriter.quoted(program.uppercased())) 1 \"\" \(ManWriter.quoted(program + " " + version)) \"User Commands\"")
        page.section("NAME")
        page.text("\(program) - \(summary)")
        page.section("SYNOPSIS")
        page.line(".B \(ManWriter.escaped(program))")
        page.text("VERB [OPTIONS] [ARGUMENTS]")
        page.section("DESCRIPTION")
        for (index, paragraph) in description.enumerated() { index == 0 ? page.text(paragraph) : page.paragraph(paragraph) }
        page.section("VERBS")
        for verb in visibleVerbs { page.verb(verb, program: program) }
        page.notes("EXIT STATUS", exitCodes)
        page.notes("ENVIRONMENT", environment)
        return page.output
    }
}

/// Writes troff: what begins with a dot is a macro, all else is text.
private struct ManWriter {
    private(set) var output = ""

    /// A line as it is.
    mutating func line(_ text: String) { output += text + "\n" }

    /// Text, in lines that a linter of manual pages accepts.
    mutating func text(_ text: String) {
        for piece in wrap(text, columns: 70) { line(Self.escaped(piece)) }
    }

    mutating func section(_ title: String) { line(".SH \(Self.quoted(title))") }

    mutating func paragraph(_ paragraph: String) {
        line(".PP")
        text(paragraph)
    }

    mutating func term(_ term: String, _ meaning: String) {
        line(".TP")
        line(".B \(Self.escaped(term))")
        text(meaning)
    }

    mutating func notes(_ title: String, _ notes: [Note]) {
        guard !notes.isEmpty else { return }
        section(title)
        for note in notes { term(note.term, note.text) }
    }

    mutating func verb(_ verb: Verb, program: String) {
        line(".SS \(Self.quoted(program + " " + verb.usage))")
        text(verb.summary + ".")
        for description in verb.description { paragraph(description) }
        for positional in verb.positionals { term(positional.name, positional.fullText) }
        for option in verb.options { term(option.signature.drop(while: { $0 == " " }).description, option.fullText) }
        for example in verb.examples {
            line(".PP")
            text(example.text + ":")
            line(".PP")
            line(".RS 4")
            line(".EX")
            line(Self.escaped(example.term))
            line(".EE")
            line(".RE")
        }
    }

    /// Text in which troff sees no request and prints a hyphen that can be copied.
    static func escaped(_ text: String) -> String {
        let safe = text.replacing("\\", with: "\\e").replacing("-", with: "\\-")
        return safe.first == "." || safe.first == "'" ? "\\&" + safe : safe
    }

    /// One argument of a macro.
    static func quoted(_ text: String) -> String { "\"" + escaped(text).replacing("\"", with: "\\(dq") + "\"" }
}
