/// The shells that completions are written for.
public enum Shell: String, Sendable, CaseIterable {
    case bash, zsh, fish
}

extension CommandTable {
    /// The script that teaches a shell to complete the command line.
    public func completions(for shell: Shell) -> String {
        switch shell {
        case .bash: bashCompletions()
        case .zsh: zshCompletions()
        case .fish: fishCompletions()
        }
    }
}

/// What a shell offers for a value: the words of its kind, or what its completion says.
enum CompletionSource {
    case nothing
    case words([String])
    case files([String])
    case directories
    case command(String, files: [String])

    init(_ kind: ValueKind, _ completion: Completion, in table: CommandTable) {
        if !kind.words.isEmpty {
            self = .words(kind.words)
            return
        }
        switch completion {
        case .none: self = .nothing
        case .files(let endings): self = .files(endings)
        case .directories: self = .directories
        case .command(let arguments, let files): self = .command(table.program + " " + arguments, files: files)
        case .verbs: self = .words(table.visibleVerbs.map(\.name))
        }
    }
}

/// A text as one word of a POSIX shell.
func shellQuoted(_ text: String) -> String { "'" + text.replacing("'", with: "'\\''") + "'" }
