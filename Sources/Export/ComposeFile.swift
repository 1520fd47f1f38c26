import Cluster

/// A cluster for Docker Compose: a container for each node or pack, by its name, and one for the launcher.
///
/// Everything in it is read alike by Compose 1.29 and by Compose 2. Keys are secrets, from files that `testbed keys` makes; the records come to lie in a
/// volume. Racks have a network each. Faults of the topology are done within the containers. One that ends is a fault of the run, and begins anew by itself
/// only where the topology says that its node does.
public struct ComposeFile {
    private let plan: ClusterPlan
    private let layout: ClusterLayout
    private let packs: [Pack]
    private let networks: RackNetworks
    private let launcher: Launcher
    private let begunAnew: Set<Int>

    /// Where the launcher is, and where it has the topology from.
    public enum Launcher: Sendable, Equatable {
        /// In a container; the topology comes with the image, under this name.
        case bundled(String)
        /// In a container; these files beside the compose file, the topology first.
        case files([String])
        /// On the engine's host, at this port of every network's gateway.
        case host(port: Int)
    }

    public init(_ plan: ClusterPlan, launcher: Launcher) {
        self.plan = plan
        layout = ClusterLayout(plan)
        packs = layout.packs(of: plan.hosts.pack)
        networks = RackNetworks(plan, layout)
        self.launcher = launcher
        var begunAnew: Set<Int> = []
        for fault in FaultTable(plan, layout).faults where fault.until != .never {
            switch fault.kind {
            case .kill, .preempt: begunAnew.formUnion(fault.nodes)
            default: break
            }
        }
        self.begunAnew = begunAnew
    }

    /// Ports at which the launcher and the first node of a container listen.
    static let (launcherPort, nodePort) = (7000, 7001)
    /// Where records are in the launcher's container.
    public static let results = "/results"

    /// The folder of the records in the launcher's container.
    public var resultFolder: String { "\(Self.results)/\(plan.name)" }

    /// Names of the networks. With the launcher on the host, that of one is `$TESTBED_PREFIX` and its name here, and its gateway's address is in
    /// the variable `gateway(of:)`.
    public var networkNames: [String] { networks.names }

    /// The variable that holds the address of a network's gateway.
    public static func gateway(of network: String) -> String { "TESTBED_GATEWAY_" + String(network.map { $0 == "-" ? "_" : $0 }) }

    /// The file.
    public var text: String { (head + launcherService + packs.map(service) + [tail]).joined(separator: "\n") }

    /// Every node may talk to every other; usual limits are enough for a few hundred.
    private var limits: String { layout.nodes.count > 400 ? "ulimits: {nofile: 65536}\n  " : "" }

    private var head: [String] {
        let nodes = layout.nodes.count
        let each = plan.hosts.pack.map { "\(packs.count) containers with \($0) workers at the most" } ?? "a container each"
        let how =
            switch launcher {
            case .host: "#"
            case .bundled(let name): Self.how(name)
            case .files(let names): Self.how(names.first ?? "")
            }
        return [
            """
            # \(plan.name): \(nodes) nodes, \(each)\(isOnHost ? "" : ", and the launcher"). Made by 'testbed \(isOnHost ? "up --on docker" : "export compose")'.
            \(how)
            version: "3.7"

            x-container: &container
              image: "${TESTBED_IMAGE:-testbed:latest}"
              user: "${TESTBED_USER:-10001:10001}"
              restart: "no"
              read_only: true
              tmpfs: ["/tmp:mode=1777"]
              cap_drop: [ALL]
              security_opt: ["no-new-privileges:true"]
              \(limits)logging: {driver: json-file, options: {max-size: "10m", max-file: "3"}}

            services:
            """
        ]
    }

    private static func how(_ topology: String) -> String {
        """
        #
        #     testbed keys \(topology) -o keys      once for each run, beside this file
        #     docker compose -f FILE up --abort-on-container-exit --exit-code-from launcher
        #
        # TESTBED_USER is the user that may read the keys, such as "$(id -u):$(id -g)".
        """
    }

    private var isOnHost: Bool { if case .host = launcher { true } else { false } }

    private var launcherService: [String] {
        let words: [String]
        var volumes = ["results:\(Self.results)"]
        switch launcher {
        case .host: return []
        case .bundled(let name): words = ["up", name]
        case .files(let names):
            words = ["up", "/cluster/" + (names.first ?? "")]
            volumes += names.map { "./\($0):/cluster/\($0):ro" }
        }
        let options = [
            "--listen", "tcp://0.0.0.0:\(Self.launcherPort)", "--keys", "/run/secrets/launcher", "--out", resultFolder, "--quiet",
        ]
        let service = """
              launcher:
                <<: *container
                container_name: "${TESTBED_PREFIX:-}launcher"
                command: [\(list(words + options))]
                networks: [\(networks.front.joined(separator: ", "))]
                secrets: [launcher]
                volumes: [\(list(volumes))]
                stop_grace_period: 30s
                deploy: {resources: {limits: {cpus: "1", memory: \(launcherMemory)M}}}
            """
        return [service]
    }

    /// Megabytes: each seat has its queues.
    private var launcherMemory: Int { 512 + 4 * layout.nodes.count }

    private func service(_ pack: Pack) -> String {
        let isAlone = plan.hosts.pack == nil || pack.nodes[0].pool == nil
        let secrets = isAlone ? [pack.name] : pack.nodes.map { "{source: \($0.name), target: \($0.name).key}" }
        let linger = isOnHost ? [] : ["--linger", "10s"]
        let words =
            ["join"] + pack.nodes.map(\.name) + ["--launcher", launcherEndpoint, "--keys", "/run/secrets" + (isAlone ? "/" + pack.name : "")]
            + ["--bind", "0.0.0.0:\(Self.nodePort)", "--advertise", "\(pack.name):\(Self.nodePort)"] + linger
        let first = pack.nodes[0]
        let place = first.host < 0 ? "" : ", testbed.host: \"\(first.host)\", testbed.rack: \"\(first.rack)\""
        let memory = pack.nodes.reduce(0) { $0 + self.memory(of: $1) }
        var lines = [
            "  \(pack.name):", "    <<: *container", "    container_name: \"${TESTBED_PREFIX:-}\(pack.name)\"", "    command: [\(list(words))]",
            "    networks: [\(networks.of(pack).joined(separator: ", "))]",
            isOnHost ? "    extra_hosts: [\"launcher:${\(Self.gateway(of: networks.of(first)[0]))}\"]" : "    depends_on: [launcher]",
            "    secrets: [\(secrets.joined(separator: ", "))]", "    labels: {testbed.role: \(first.role.rawValue)\(place)}",
        ]
        if pack.nodes.contains(where: { begunAnew.contains($0.index) }) { lines.append("    restart: on-failure") }
        // A node alone takes one processor at the most. An engine with fewer processors than a limit says refuses it, so packs have none.
        lines.append("    deploy: {resources: {limits: {\(pack.nodes.count == 1 ? "cpus: \"1\", " : "")memory: \(memory)M}}}")
        return lines.joined(separator: "\n")
    }

    private var launcherEndpoint: String {
        if case .host(let port) = launcher { "tcp://launcher:\(port)" } else { "tcp://launcher:\(Self.launcherPort)" }
    }

    /// Megabytes: the client holds the account, the others what is under way. What they emulate takes none.
    private func memory(of node: NodePlan) -> Int { node.role == .client ? 1024 : 512 }

    private var tail: String {
        let names = (isOnHost ? [] : ["launcher"]) + layout.nodes.map(\.name)
        let secrets = names.map { "  \($0): {file: ./keys/\($0).key}" }
        let networks = networks.names.map { name in
            isOnHost ? "  \(name): {external: true, name: \"${TESTBED_PREFIX}\(name)\"}" : "  \(name): {internal: true}"
        }
        let volumes = isOnHost ? [] : ["", "volumes:", "  results:"]
        return (["", "networks:"] + networks + volumes + ["", "secrets:"] + secrets).joined(separator: "\n") + "\n"
    }

    private func list(_ words: [String]) -> String { words.map { "\"\($0)\"" }.joined(separator: ", ") }
}
