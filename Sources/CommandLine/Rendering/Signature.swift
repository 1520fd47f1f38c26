extension Verb {
    /// `up [OPTIONS] FILE`.
    var usage: String {
        let allOptional = options.contains(where: \.standsAlone)
        let positionals = self.positionals.map { positional in
            let name = positional.name + (positional.count.isRepeated ? "..." : "")
            return positional.count.isRequired && !allOptional ? name : "[\(name)]"
        }
        return ([name] + (options.isEmpty ? [] : ["[OPTIONS]"]) + positionals).joined(separator: " ")
    }
}

extension Option {
    /// `-o, --out DIR`, as a list of options shows it; long names line up.
    var signature: String {
        let names = (short.map { "-\($0), " } ?? "    ") + "--" + name
        return value.map { names + " " + $0.name } ?? names
    }

    /// The text with what the table knows beyond it: the choices, the fallback, whether it repeats.
    var fullText: String {
        var parts = [text]
        if let value {
            switch value.kind {
            case .choice(let words): parts.append("One of \(alternatives(words)).")
            case .list(let words): parts.append("A list, joined by commas, of \(words.joined(separator: ", ")).")
            default: break
            }
            if let fallback = value.fallback { parts.append("Default: \(fallback).") }
        }
        if repeatable { parts.append("May be repeated.") }
        return parts.joined(separator: " ")
    }
}

extension Positional {
    /// The text with the words that may be given.
    var fullText: String { kind.words.isEmpty ? text : text + " One of \(alternatives(kind.words))." }
}

/// Fills lines of at most `columns` characters with the words of a text; a word that is longer has a line of its own.
func wrap(_ text: String, columns: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
        if !line.isEmpty, line.count + 1 + word.count > columns {
            lines.append(line)
            line = ""
        }
        line += (line.isEmpty ? "" : " ") + word
    }
    return line.isEmpty ? lines : lines + [line]
}
