import CommandLine
import Terminal

/// The verbs that print what is generated from the command table.
enum Manual {
    static func completion(_ command: ParsedCommand) -> Int32 {
        guard let shell = command.arguments.first.flatMap(Shell.init) else { return fail("no such shell", code: 2) }
        StandardStream.output.write(CommandTable.testbed.completions(for: shell))
        return 0
    }

    static func page(_ command: ParsedCommand) -> Int32 {
        let table = CommandTable.testbed
        StandardStream.output.write(command.has("markdown") ? table.reference() : table.manPage(version: Version.text))
        return 0
    }
}
