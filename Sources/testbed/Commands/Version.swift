import CommandLine
import Launch
import Records
import Terminal

/// `testbed version`.
enum Version {
    /// The program's version.
    static let text = "0.1.0"

    static func run(_ command: ParsedCommand) -> Int32 {
        let libraries = LibraryVersions.all
        if command.has("json") {
            let members = libraries.map { JSONValue.Member($0.name, .string($0.version)) }
            let value: JSONValue = ["testbed": .string(text), "libraries": .object(members)]
            StandardStream.output.write(value.text(.pretty) + "\n")
        } else {
            StandardStream.output.write("testbed \(text)\n" + libraries.map { "\($0.name) \($0.version)\n" }.joined())
        }
        return 0
    }
}
