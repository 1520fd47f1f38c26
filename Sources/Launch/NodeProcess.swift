import CSystem
import Cluster
import Glibc
import Nodes
import Quantities
import Records
import Time
import TopologyFile
import TraceFiles
import Transport
import Workload

/// The life of a process that is one node: `testbed node RUN --index …`, started by a launcher or a steward and by nobody else.
public enum NodeProcess {
    /// How it reaches its peers.
    public enum Way: Sendable {
        /// On one host: sockets in this directory.
        case directory(String)
        /// Between hosts: a file with the nodes' addresses, one with keys, and where to listen.
        case hosts(peers: String, keys: String, bind: String)
    }

    /// Runs the node to its end.
    /// - Returns: the exit code.
    public static func run(folder path: String, index: Int, way: Way, parent: pid_t, born: Instant) -> Int32 {
        // The kernel ends this process with its launcher, however that ends; a launcher that is gone already is seen here.
        testbed_die_with_parent(SIGKILL)
        guard getppid() == parent else { return 1 }
        signal(SIGINT, SIG_IGN)
        signal(SIGPIPE, SIG_IGN)
        endOnCrash()
        raiseDescriptorLimit()
        let control = ControlChannel(descriptor: ControlChannel.nodeDescriptor)
        do {
            try run(RunFolder(existing: path), index: index, way: way, control: control, born: born)
            return 0
        } catch {
            print("error: \(error)")
            _ = try? control.send(.failed("\(error)"))
            return 1
        }
    }

    private static func run(_ folder: RunFolder, index: Int, way: Way, control: ControlChannel, born: Instant) throws {
        let plan = try folder.readPlan()
        let layout = ClusterLayout(plan)
        guard layout.nodes.indices.contains(index) else { throw SystemError("no node \(index) in \(plan.name)") }
        let node = layout.nodes[index]
        let rows = RecordBuffers()
        let parts = try PartFiles(directory: folder.parts, node: node, of: plan, rows: rows, continues: born > 0)
        let source = node.role == .client ? try requestSource(for: plan.workload, seed: plan.seed) : NoRequests()
        let probe = DecisionProbe(clock: processorTime)
        let programs = try programs(of: plan, way, folder)
        defer { programs?.end() }
        guard
            let host = NodeHost.make(
                node, of: plan, layout: layout, records: rows, faults: FaultTable(plan, layout), born: born, probe: probe, desk: programs?.desk,
                source: { source })
        else {
            throw SystemError("the topology names a policy that does not exist")
        }
        let data = try open(way, node, layout)
        if !data.tellsSenders, let relay = GangRelay(node, of: plan, layout) { relay.stayOnProcessor(node, layout) }
        let line = try line(of: host, plan, layout, way)
        let shell = NodeShell(host: host, plan: plan, layout: layout, sockets: data, line: line, control: control, sink: parts)
        if let epoch = try shell.waitForStart() {
            switch plan.clock {
            case .wall: try shell.runWall(epoch: epoch, dilation: plan.dilation)
            case .virtual, .inproc: node.role == .expert ? try shell.runFree() : try shell.runVirtual()
            }
        }
        guard !host.isDead else { return }
        host.finish()
        try parts.close(host)
        if let problem = source.problem { throw SystemError(problem) }
        _ = try control.send(.finished)
    }

    /// The programs that decide, on the host of the user who named them: no host runs commands that came from another one.
    private static func programs(of plan: ClusterPlan, _ way: Way, _ folder: RunFolder) throws -> ExternalPrograms? {
        guard plan.asksPrograms else { return nil }
        guard case .directory(let sockets) = way else { throw SystemError(ExternalPrograms.refusal) }
        return try ExternalPrograms(directory: sockets, logs: folder.logs)
    }

    /// The way of a gang's messages on one host, where none of its ranks is to die, or has.
    private static func line(of host: NodeHost, _ plan: ClusterPlan, _ layout: ClusterLayout, _ way: Way) throws -> GangLine? {
        guard case .directory(let path) = way, host.started == 0, host.faults.isEmpty, let hubs = GangLine.Hubs(of: host.plan, plan, layout) else {
            return nil
        }
        return try GangLine(directory: path, hubs: hubs, node: host.plan.index, count: layout.nodes.count)
    }

    private static func open(_ way: Way, _ node: NodePlan, _ layout: ClusterLayout) throws -> DataSockets {
        switch way {
        case .directory(let path): return try DataSockets(directory: path, node: node.index, count: layout.nodes.count)
        case .hosts(let path, let keys, let bind):
            let own = try KeyFolder.read(keys, for: node.name).file.own
            guard let text = try Files.read(path), let peers = PeerTable.peers(reading: String(decoding: text, as: UTF8.self)),
                peers.count == layout.nodes.count
            else { throw SystemError("\(path): found something else, expected the addresses of \(layout.nodes.count) nodes") }
            return try DataSockets(peers: PeerTable(peers: peers, own: own), bind: bind)
        }
    }

    /// Has a crash end the process at once. The runtime's own handlers take seconds for a backtrace while the cluster waits, and let a
    /// process live on that got its signal from outside. Who wants the backtrace in the log asks for it by SWIFT_BACKTRACE.
    private static func endOnCrash() {
        guard getenv("SWIFT_BACKTRACE") == nil else { return }
        for crash in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT, SIGQUIT] { signal(crash, SIG_DFL) }
    }

    /// Sockets to many peers need many descriptors.
    static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// The requests of a node that offers none.
final class NoRequests: RequestSource {
    func next() -> RequestSpec? { nil }
}
