import Cluster

/// A cluster for Docker Compose: a container for each node, by its name, and one for the launcher.
///
/// Everything in it is read alike by Compose 1.29 and by Compose 2. Keys are secrets, from files that `testbed keys` makes; the records come to lie in a
/// volume. No container starts anew by itself: one that ends is a fault of the run, and faults of the topology are done within the containers.
public struct ComposeFile {
    private let plan: ClusterPlan
    private let layout: ClusterLayout
    private let topology: Source

    /// Where the launcher's container has the topology from.
    public enum Source: Sendable, Equatable {
        /// It comes with the image, under this name.
        case bundled(String)
        /// These files beside the compose file, the topology first.
        case files([String])
    }

    public init(_ plan: ClusterPlan, topology: Source) {
        self.plan = plan
        layout = ClusterLayout(plan)
        self.topology = topology
    }

    /// Ports at which the launcher and the nodes listen, each in a container of its own.
    static let (launcherPort, nodePort) = (7000, 7001)
    /// Where records are in the launcher's container.
    public static let results = "/results"

    /// The folder of the records in the launcher's container.
    public var resultFolder: String { "\(Self.results)/\(plan.name)" }

    /// The file.
    public var text: String { (head + [launcher] + layout.nodes.map(service) + [tail]).joined(separator: "\n") }

    /// Every node may talk to every other; usual limits are enough for a few hundred.
    private var limits: String { layout.nodes.count > 400 ? "ulimits: {nofile: 65536}\n  " : "" }

    private var head: [String] {
        let nodes = layout.nodes.count
        return [
            """
            # \(plan.name): \(nodes) nodes, a container each, and the launcher. Made by 'testbed export compose'.
            #
            #     testbed keys \(isBundled ?? "topology.yaml") -o keys      once for each run, beside this file
            #     docker compose -f FILE up --abort-on-container-exit --exit-code-from launcher
            #
            # TESTBED_USER is the user that may read the keys, such as "$(id -u):$(id -g)".
            version: "3.7"

            x-container: &container
              image: "${TESTBED_IMAGE:-testbed:latest}"
              user: "${TESTBED_USER:-10001:10001}"
              restart: "no"
              networks: [cluster]
              read_only: true
              tmpfs: ["/tmp:mode=1777"]
              cap_drop: [ALL]
              security_opt: ["no-new-privileges:true"]
              \(limits)logging: {driver: json-file, options: {max-size: "10m", max-file: "3"}}

            services:
            """
        ]
    }

    private var isBundled: String? { if case .bundled(let name) = topology { name } else { nil } }

    private var launcher: String {
        let words: [String]
        var volumes = ["results:\(Self.results)"]
        switch topology {
        case .bundled(let name): words = ["up", name]
        case .files(let names):
            words = ["up", "/cluster/" + (names.first ?? "")]
            volumes += names.map { "./\($0):/cluster/\($0):ro" }
        }
        let options = [
            "--listen", "tcp://0.0.0.0:\(Self.launcherPort)", "--keys", "/run/secrets/launcher", "--out", resultFolder, "--quiet",
        ]
        return """
              launcher:
                <<: *container
                container_name: "${TESTBED_PREFIX:-}launcher"
                command: [\(list(words + options))]
                secrets: [launcher]
                volumes: [\(list(volumes))]
                stop_grace_period: 30s
                deploy: {resources: {limits: {cpus: "2", memory: \(launcherMemory)M}}}
            """
    }

    /// Megabytes: each seat has its queues.
    private var launcherMemory: Int { 512 + 4 * layout.nodes.count }

    private func service(_ node: NodePlan) -> String {
        let words = [
            "join", node.name, "--launcher", "tcp://launcher:\(Self.launcherPort)", "--keys", "/run/secrets/\(node.name)",
            "--bind", "0.0.0.0:\(Self.nodePort)", "--advertise", "\(node.name):\(Self.nodePort)", "--linger", "10s",
        ]
        let place = node.host < 0 ? "" : ", testbed.host: \"\(node.host)\", testbed.rack: \"\(node.rack)\""
        return """
              \(node.name):
                <<: *container
                container_name: "${TESTBED_PREFIX:-}\(node.name)"
                command: [\(list(words))]
                depends_on: [launcher]
                secrets: [\(node.name)]
                labels: {testbed.role: \(node.role.rawValue)\(place)}
                deploy: {resources: {limits: {cpus: "1", memory: \(memory(of: node))M}}}
            """
    }

    /// Megabytes: the client holds the account, the others what is under way. What they emulate takes none.
    private func memory(of node: NodePlan) -> Int { node.role == .client ? 1024 : 512 }

    private var tail: String {
        let names = ["launcher"] + layout.nodes.map(\.name)
        let secrets = names.map { "  \($0): {file: ./keys/\($0).key}" }
        return """

            networks:
              cluster: {internal: true}

            volumes:
              results:

            secrets:
            """ + "\n" + secrets.joined(separator: "\n") + "\n"
    }

    private func list(_ words: [String]) -> String { words.map { "\"\($0)\"" }.joined(separator: ", ") }
}
