extension CommandTable {
    /// The command reference in Markdown.
    public func reference() -> String {
        var text = "# \(program)\n\n\(summary)\n"
        for paragraph in description { text += "\n\(paragraph)\n" }
        text += "\n| verb | does |\n|---|---|\n"
        for verb in visibleVerbs { text += Self.row("[`\(verb.name)`](#\(program)-\(verb.name))", Self.cell(verb.summary)) }
        for verb in visibleVerbs { text += reference(of: verb) }
        text += Self.table("Exit codes", "code", exitCodes)
        text += Self.table("Environment", "variable", environment)
        return text
    }

    private func reference(of verb: Verb) -> String {
        var text = "\n## \(program) \(verb.name)\n\n\(verb.summary).\n\n    \(program) \(verb.usage)\n"
        for paragraph in verb.description { text += "\n\(paragraph)\n" }
        let positionals = verb.positionals.map { Note($0.name, $0.fullText) }
        let options = verb.options.map { Note($0.signature.drop(while: { $0 == " " }).description, $0.fullText) }
        if !positionals.isEmpty || !options.isEmpty { text += "\n| argument | meaning |\n|---|---|\n" }
        for note in positionals + options { text += Self.row("`\(Self.cell(note.term))`", Self.cell(note.text)) }
        for example in verb.examples { text += "\n\(example.text):\n\n    \(example.term)\n" }
        return text
    }

    private static func table(_ title: String, _ term: String, _ notes: [Note]) -> String {
        guard !notes.isEmpty else { return "" }
        return "\n## \(title)\n\n| \(term) | meaning |\n|---|---|\n" + notes.map { row("`\($0.term)`", cell($0.text)) }.joined()
    }

    private static func row(_ first: String, _ second: String) -> String { "| \(first) | \(second) |\n" }

    /// Text in which no character ends the cell.
    private static func cell(_ text: String) -> String { text.replacing("|", with: "\\|") }
}
