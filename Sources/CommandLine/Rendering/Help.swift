import Terminal

extension CommandTable {
    /// The help text, of a verb or of all verbs, for a terminal `columns` wide; every line ends in a newline.
    public func help(verb name: String? = nil, columns: Int = 80, style: Style = .plain) -> String {
        let writer = HelpWriter(columns: max(40, min(columns, 100)), style: style)
        guard let name, let verb = verb(named: name) else { return writer.overview(of: self) }
        return writer.page(of: verb, program: program)
    }
}

/// Lays help out: a heading, then terms with their texts beside them.
private struct HelpWriter {
    let columns: Int
    let style: Style

    func overview(of table: CommandTable) -> String {
        var text = wrap(table.summary, columns: columns).lines
        text += "\n" + heading("Usage") + "  \(table.program) VERB [OPTIONS] [ARGUMENTS]\n"
        text += section("Verbs", table.visibleVerbs.map { Note($0.name, $0.summary) })
        text += section("Exit codes", table.exitCodes)
        text += section("Environment", table.environment)
        text += "\n" + wrap("'\(table.program) help VERB' tells more of one verb.", columns: columns).lines
        return text
    }

    func page(of verb: Verb, program: String) -> String {
        var text = wrap(verb.summary + ".", columns: columns).lines
        text += "\n" + heading("Usage") + "  \(program) \(verb.usage)\n"
        for paragraph in verb.description { text += "\n" + wrap(paragraph, columns: columns).lines }
        text += section("Arguments", verb.positionals.map { Note($0.name, $0.fullText) })
        text += section("Options", (verb.options + [.help]).map { Note($0.signature, $0.fullText) })
        guard !verb.examples.isEmpty else { return text }
        text += "\n" + heading("Examples")
        for example in verb.examples {
            text += "  \(example.term)\n" + wrap(example.text, columns: columns - 6).map { "      \($0)\n" }.joined()
        }
        return text
    }

    private func heading(_ title: String) -> String { style.bold(title + ":") + "\n" }

    private func section(_ title: String, _ notes: [Note]) -> String {
        guard !notes.isEmpty else { return "" }
        // A term that is wider than this has its text below it.
        let width = min(notes.map(\.term.count).max() ?? 0, 26)
        let indent = String(repeating: " ", count: width + 4)
        var text = "\n" + heading(title)
        for note in notes {
            let lines = wrap(note.text, columns: columns - width - 4)
            let padding = width - note.term.count
            text += "  " + note.term
            if padding >= 0, let first = lines.first {
                text += String(repeating: " ", count: padding + 2) + first + "\n"
                text += lines.dropFirst().map { indent + $0 + "\n" }.joined()
            } else {
                text += "\n" + lines.map { indent + $0 + "\n" }.joined()
            }
        }
        return text
    }
}

extension [String] {
    /// The lines as text, each ended by a newline.
    fileprivate var lines: String { map { $0 + "\n" }.joined() }
}
