import CommandLine
import Launch

/// `testbed node RUN`: one node's process.
enum Node {
    private static func way(_ command: ParsedCommand) -> NodeProcess.Way? {
        if let sockets = command.text("sockets") { return .directory(sockets) }
        guard let peers = command.text("peers"), let keys = command.text("keys"), let bind = command.text("bind") else { return nil }
        return .hosts(peers: peers, keys: keys, bind: bind)
    }

    static func run(_ command: ParsedCommand) -> Int32 {
        guard let index = command.integer("index"), let way = way(command), let parent = command.integer("parent") else {
            return fail("a node is started by 'testbed up'", code: 2)
        }
        return NodeProcess.run(
            folder: command.arguments[0], index: Int(index), way: way, parent: Int32(clamping: parent),
            born: Int64(clamping: command.integer("born") ?? 0))
    }
}
