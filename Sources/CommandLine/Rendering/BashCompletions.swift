extension CommandTable {
    /// A function for bash that needs nothing but bash 4.
    func bashCompletions() -> String {
        let verbs = visibleVerbs
        var text = """
            # Completion of \(program) for bash. To use it now: source <(\(program) completion bash)
            _\(program)() {
                local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
                # "=" is a word of its own: --option=value is three words.
                if [[ $cur == "=" ]]; then cur=""; elif [[ $prev == "=" ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
                COMPREPLY=()
                if (( COMP_CWORD == 1 )); then
                    mapfile -t COMPREPLY < <(compgen -W \(shellQuoted(verbs.map(\.name).joined(separator: " "))) -- "$cur")
                    return
                fi
                case ${COMP_WORDS[1]} in

            """
        for verb in verbs { text += bashCase(verb) }
        return text + "    esac\n}\ncomplete -o filenames -F _\(program) \(program)\n"
    }

    private func bashCase(_ verb: Verb) -> String {
        var text = "    \(verb.name))\n        case $prev in\n"
        for option in verb.options {
            guard let value = option.value else { continue }
            let names = (option.short.map { "-\($0)|" } ?? "") + "--" + option.name
            text += "        \(names)) \(bashReply(CompletionSource(value.kind, value.completion, in: self))); return ;;\n"
        }
        let options = (verb.options + [.help]).map { "--" + $0.name }.joined(separator: " ")
        text += "        esac\n        if [[ $cur == -* ]]; then\n"
        text += "            mapfile -t COMPREPLY < <(compgen -W \(shellQuoted(options)) -- \"$cur\")\n            return\n        fi\n"
        // Places are not counted: options stand anywhere, and every verb has one kind of argument.
        if let positional = verb.positionals.first {
            text += "        \(bashReply(CompletionSource(positional.kind, positional.completion, in: self)))\n"
        }
        return text + "        ;;\n"
    }

    private func bashReply(_ source: CompletionSource) -> String {
        func reply(_ commands: [String]) -> String { "mapfile -t COMPREPLY < <(\(commands.joined(separator: "; ")))" }
        func files(_ endings: [String]) -> [String] {
            if endings.isEmpty { return ["compgen -f -- \"$cur\""] }
            return endings.map { "compgen -f -X \(shellQuoted("!*" + $0)) -- \"$cur\"" } + ["compgen -d -- \"$cur\""]
        }
        switch source {
        case .nothing: return ":"
        case .words(let words): return reply(["compgen -W \(shellQuoted(words.joined(separator: " "))) -- \"$cur\""])
        case .files(let endings): return reply(files(endings))
        case .directories: return reply(["compgen -d -- \"$cur\""])
        case .command(let command, let endings): return reply(["compgen -W \"$(\(command) 2>/dev/null)\" -- \"$cur\""] + files(endings))
        }
    }
}
