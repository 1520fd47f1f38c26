import Cluster
import CommandLine
import Export
import Glibc
import Launch
import Quantities
import TopologyFile
import Transport

/// `testbed join` and `testbed keys`, and what `up` needs for nodes on other hosts.
enum Hosts {
    static func join(_ command: ParsedCommand) -> Int32 {
        guard let executable = ownExecutable() else { return fail("cannot find the program's own file", code: 1) }
        guard let launcher = command.text("launcher"), let keys = command.text("keys") else {
            return fail("found no --launcher or no --keys, expected both", code: 2)
        }
        let names: [String]
        do { names = command.arguments.isEmpty ? try KeyFolder.nodes(keys) : command.arguments } catch { return fail("\(error)", code: 2) }
        if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
            return fail("found the node \(twice) twice, expected it once", code: 2)
        }
        var options = Steward.Options(
            names: names, launcher: launcher, keys: keys, version: Version.text, executable: executable)
        if let (host, port) = command.text("bind").flatMap({ address($0[...]) }) { options.bind = (host, port ?? 0) }
        options.advertise = command.text("advertise").flatMap { address($0[...]) }
        options.patience = command.text("patience").flatMap(time) ?? options.patience
        options.linger = command.text("linger").flatMap(time) ?? options.linger
        do {
            return try Steward(options).run()
        } catch let error as FolderError {
            return fail("\(error)", code: 2)
        } catch {
            return fail("\(error)", code: 1)
        }
    }

    static func keys(_ command: ParsedCommand) -> Int32 {
        switch Validate.read(command.arguments[0], settings: command.texts("set"), faults: nil) {
        case .failure(let diagnostics): return fail("\(diagnostics)\n", code: 2)
        case .success(let topology):
            do {
                try KeyFolder.make(command.text("out") ?? "keys", for: topology.plan)
                return 0
            } catch let error as FolderError {
                return fail("\(error)", code: 2)
            } catch {
                return fail("\(error)", code: 1)
            }
        }
    }

    // MARK: - For `up`

    /// The hosts of a run with `--listen` or `--on`, and the folder with its keys that goes with it; `nil` for a run on this host.
    static func listen(_ plan: ClusterPlan, _ command: ParsedCommand) throws -> (hosts: RemoteHosts, made: String?)? {
        let engine = command.text("on")
        guard let endpoint = command.text("listen") ?? engine.map({ _ in "tcp://0.0.0.0:*" }) else { return nil }
        var made: String?
        do {
            let keys: String
            if engine == "docker" {
                try DockerHosts.check()
                let folder = try makePrivateFolder()
                (made, keys) = (folder, folder + "/keys")
            } else {
                keys = command.text("keys") ?? ".testbed-keys-\(getpid())-\(monotonicNow())"
                if !KeyFolder.exists(keys) { made = keys }
            }
            if made != nil { try KeyFolder.make(keys, for: plan) }
            let hosts = try RemoteHosts(
                plan: plan, keys: KeyFolder.read(keys, for: KeyFile.launcher).file, listen: endpoint,
                patience: command.text("patience").flatMap(time) ?? 10 * nanosecondsPerSecond, version: Version.text, log: warn)
            if engine != "docker" { warn("listening at \(hosts.endpoint)") }
            switch engine {
            case "docker": hosts.starter = try DockerHosts.start(plan, launcher: hosts.endpoint, folder: made ?? "")
            case "slurm": hosts.starter = try startTasks(plan, hosts, keys: keys)
            default: break
            }
            return (hosts, made)
        } catch {
            if let made { KeyFolder.remove(made) }
            throw error
        }
    }

    /// Has Slurm start the nodes' hosts: as an allocation of their own, or within the one that this process is in.
    private static func startTasks(_ plan: ClusterPlan, _ hosts: RemoteHosts, keys: String) throws -> HostStarter {
        guard let executable = ownExecutable() else { throw SystemError("cannot find the program's own file") }
        let port = hosts.endpoint.split(separator: ":").last ?? ""
        let launcher = hosts.endpoint.hasPrefix("tcp://0.0.0.0:") ? "tcp://\(hostName()):\(port)" : hosts.endpoint
        let command = SlurmTasks(plan).command(executable: executable, launcher: launcher, keys: absolute(keys))
        do { return try HostStarter(command) } catch { throw SystemError("\(error); --on slurm needs Slurm's commands") }
    }

    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
        defer { free(folder) }
        return String(cString: folder) + "/" + path
    }

    /// What does not go together; `nil` for nothing.
    static func misuse(_ command: ParsedCommand, _ plan: ClusterPlan) -> String? {
        guard let way = ["on", "listen"].first(where: { command.text($0) != nil }) else {
            return ["keys", "patience"].first { command.text($0) != nil }.map { "found --\($0) without --listen, expected both or none" }
        }
        if way == "listen", command.text("keys") == nil { return "found --listen without --keys, expected both" }
        if command.text("on") == "docker", command.text("keys") != nil {
            return "found --on docker with --keys, expected no keys: it makes new ones for the run"
        }
        if plan.asksPrograms { return "--\(way): \(ExternalPrograms.refusal)" }
        if command.has("detach") { return "found --\(way) with --detach, expected one of them" }
        return plan.clock == .inproc ? "--\(way): found the clock 'inproc', expected virtual or wall" : nil
    }

    // MARK: - Values

    /// A time such as `10s`, in nanoseconds.
    static func time(_ text: String) -> Nanoseconds? {
        guard let time = try? UnitScale.duration.parse(text), (0..<Instant.never).contains(time) else { return nil }
        return time
    }

    /// A name or an address, perhaps with a port.
    static func address(_ text: Substring) -> (host: String, port: Int?)? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, parts.count <= 2, PeerTable.isEndpoint("tcp://\(host):1") else { return nil }
        guard parts.count == 2 else { return (String(host), nil) }
        return UInt16(parts[1]).flatMap { $0 > 0 ? (String(host), Int($0)) : nil }
    }
}
