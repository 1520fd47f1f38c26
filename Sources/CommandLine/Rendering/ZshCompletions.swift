extension CommandTable {
    /// A function for zsh's completion system.
    func zshCompletions() -> String {
        var text = """
            #compdef \(program)
            # Completion of \(program) for zsh. To use it now: source <(\(program) completion zsh)
            _\(program)() {
                if (( CURRENT == 2 )); then
                    local -a verbs=(

            """
        for verb in visibleVerbs { text += "            \(shellQuoted("\(verb.name):\(verb.summary)"))\n" }
        text += """
                    )
                    _describe verb verbs
                    return
                fi
                local verb=$words[2]
                shift words
                (( CURRENT -= 1 ))
                case $verb in

            """
        for verb in visibleVerbs { text += zshCase(verb) }
        return text + """
                esac
            }
            if [[ $funcstack[1] == _\(program) ]]; then _\(program) "$@"; else compdef _\(program) \(program); fi

            """
    }

    private func zshCase(_ verb: Verb) -> String {
        var specifications: [String] = []
        for option in verb.options + [.help] {
            let names = ["--" + option.name] + (option.short.map { ["-\($0)"] } ?? [])
            for name in names {
                let separator = option.value == nil ? "" : name.hasPrefix("--") ? "=" : "+"
                let text = "\(option.repeatable ? "*" : "")\(name)\(separator)[\(zshEscaped(option.text))]"
                let value = option.value.map { ":\($0.name):\(zshAction(CompletionSource($0.kind, $0.completion, in: self)))" } ?? ""
                specifications.append(text + value)
            }
        }
        for positional in verb.positionals {
            let place = positional.count.isRepeated ? "*" : ""
            let optional = positional.count == .optional ? ":" : ""
            let action = zshAction(CompletionSource(positional.kind, positional.completion, in: self))
            specifications.append("\(place):\(optional)\(positional.name):\(action)")
        }
        return "    \(verb.name)) _arguments -s \\\n" + specifications.map { "        \(shellQuoted($0))" }.joined(separator: " \\\n") + " ;;\n"
    }

    private func zshAction(_ source: CompletionSource) -> String {
        func files(_ endings: [String]) -> String {
            endings.isEmpty ? "_files" : "_files -g \"*(\(endings.joined(separator: "|")))\""
        }
        switch source {
        case .nothing: return " "
        case .words(let words): return "(\(words.joined(separator: " ")))"
        case .files(let endings): return files(endings)
        case .directories: return "_files -/"
        case .command(let command, let endings):
            return "{ local -a names=(${(f)\"$(\(command) 2>/dev/null)\"}); compadd -a names; \(files(endings)) }"
        }
    }

    /// Text between the brackets of a specification.
    private func zshEscaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("[", with: "\\[").replacing("]", with: "\\]").replacing(":", with: "\\:")
    }
}
