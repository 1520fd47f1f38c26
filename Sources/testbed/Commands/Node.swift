import CommandLine
import Launch

/// `testbed node RUN`: one node's process.
enum Node {
    static func run(_ command: ParsedCommand) -> Int32 {
        guard let index = command.integer("index"), let sockets = command.text("sockets"), let parent = command.integer("parent") else {
            return fail("a node is started by 'testbed up'", code: 2)
        }
        return NodeProcess.run(
            folder: command.arguments[0], index: Int(index), sockets: sockets, parent: Int32(clamping: parent),
            born: Int64(clamping: command.integer("born") ?? 0))
    }
}
