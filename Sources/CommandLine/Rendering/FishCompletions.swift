extension CommandTable {
    /// Commands for fish.
    func fishCompletions() -> String {
        var text = "# Completion of \(program) for fish. To use it now: \(program) completion fish | source\n"
        text += "complete -c \(program) -f\n"
        for verb in visibleVerbs {
            text += "complete -c \(program) -n __fish_use_subcommand -a \(verb.name) -d \(fishQuoted(verb.summary))\n"
        }
        for verb in visibleVerbs { text += fishLines(verb) }
        return text
    }

    private func fishLines(_ verb: Verb) -> String {
        let start = "complete -c \(program) -n '__fish_seen_subcommand_from \(verb.name)'"
        var text = ""
        for option in verb.options + [.help] {
            text += start + (option.short.map { " -s \($0)" } ?? "") + " -l \(option.name)"
            if let value = option.value { text += " -x" + fishCandidates(CompletionSource(value.kind, value.completion, in: self)) }
            text += " -d \(fishQuoted(option.text))\n"
        }
        // Places are not counted: every verb has one kind of argument.
        if let positional = verb.positionals.first {
            let candidates = fishCandidates(CompletionSource(positional.kind, positional.completion, in: self))
            if !candidates.isEmpty { text += start + candidates + "\n" }
        }
        return text
    }

    private func fishCandidates(_ source: CompletionSource) -> String {
        func files(_ endings: [String]) -> String {
            endings.isEmpty ? "(__fish_complete_path)" : endings.map { "(__fish_complete_suffix \($0))" }.joined(separator: " ")
        }
        switch source {
        case .nothing: return ""
        case .words(let words): return " -a \(fishQuoted(words.joined(separator: " ")))"
        case .files(let endings): return " -a \(fishQuoted(files(endings)))"
        case .directories: return " -a '(__fish_complete_directories)'"
        case .command(let command, let endings): return " -a \(fishQuoted("(\(command) 2>/dev/null) \(files(endings))"))"
        }
    }

    private func fishQuoted(_ text: String) -> String {
        "'" + text.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
    }
}
