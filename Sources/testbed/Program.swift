import CommandLine
import Glibc
import Terminal

/// Reads the command line and does what it asks for.
enum Program {
    static func main(_ arguments: [String]) -> Int32 {
        // Writing then fails with an error, which says what could not be written.
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        StandardStream.openMissing()
        do {
            switch try CommandTable.testbed.parse(arguments) {
            case .help(let verb):
                let terminal = StandardStream.output.capabilities
                StandardStream.output.write(CommandTable.testbed.help(verb: verb, columns: terminal.columns, style: terminal.style))
                return 0
            case .run(let command): return run(command)
            }
        } catch {
            StandardStream.error.write(error.text(program: CommandTable.testbed.program))
            return UsageError.exitCode
        }
    }

    private static func run(_ command: ParsedCommand) -> Int32 {
        switch command.verb {
        case "up": Up.run(command)
        case "ps": Status.list(command)
        case "top": Status.top(command)
        case "logs": Logs.run(command)
        case "kill": Acts.kill(command)
        case "pause": Acts.pause(command)
        case "unpause": Acts.unpause(command)
        case "restart": Acts.restart(command)
        case "slow": Acts.slow(command)
        case "partition": Acts.partition(command)
        case "heal": Acts.heal(command)
        case "scale": Acts.scale(command)
        case "submit": Submit.run(command)
        case "down": Acts.down(command)
        case "export": ExportFiles.run(command)
        case "join": Hosts.join(command)
        case "keys": Hosts.keys(command)
        case "plan": Plan.run(command)
        case "bound": Bound.run(command)
        case "compare": Compare.run(command)
        case "audit": PolicyAudit.run(command)
        case "node": Node.run(command)
        case "validate": Validate.run(command)
        case "policies": Catalogues.policies(command)
        case "models": Catalogues.models(command)
        case "devices": Catalogues.devices(command)
        case "topologies": Catalogues.topologies(command)
        case "completion": Manual.completion(command)
        case "man": Manual.page(command)
        case "version": Version.run(command)
        default: fail("the verb '\(command.verb)' has no command", code: 2)
        }
    }
}
