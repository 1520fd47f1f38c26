import Cluster

/// A cluster for Kubernetes: in a namespace of its own, a StatefulSet with a headless Service for each pool and for the controller, and Jobs for the client
/// and for the launcher.
///
/// A pod has the name of its node, which it joins for, or of its pack; the controller's is `controller-0`. Nothing but the launcher reads the topology, for everything that
/// a node needs comes from the launcher, and each container sees the keys of its own nodes alone. A pod that is lost is a fault of the run.
public struct KubernetesFiles {
    let plan: ClusterPlan
    let layout: ClusterLayout
    private let files: [(name: String, bytes: [UInt8])]
    /// Whether the pools of gangs are LeaderWorkerSets.
    private let groupsGangs: Bool

    /// - Parameters:
    ///   - files: what the launcher reads: the topology first, and the files that it names.
    ///   - leaderWorkerSets: whether pools whose workers compute together are LeaderWorkerSets (https://lws.sigs.k8s.io) in place of StatefulSets.
    public init(_ plan: ClusterPlan, files: [(name: String, bytes: [UInt8])], leaderWorkerSets: Bool = false) {
        self.plan = plan
        layout = ClusterLayout(plan)
        self.files = files
        groupsGangs = leaderWorkerSets
    }

    /// Largest sum of the files' sizes, in bytes: the API server takes no larger ConfigMap.
    public static let fileLimit = 1 << 20

    // MARK: - Names

    /// What is said of the run in labels and in the namespace's name: letters, digits and dashes of the plan's name.
    var instance: String {
        let name = plan.name.lowercased().utf8.map { byte -> UInt8 in
            let isOfName = (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte)
            return isOfName ? byte : UInt8(ascii: "-")
        }
        var trimmed = name.drop { $0 == UInt8(ascii: "-") }.prefix(50)
        while trimmed.last == UInt8(ascii: "-") { trimmed.removeLast() }
        return trimmed.isEmpty ? "cluster" : String(decoding: trimmed, as: UTF8.self)
    }

    /// The namespace.
    public var namespace: String { "testbed-" + instance }

    /// What is called by a name that pools might have too gets a longer one then.
    private func free(_ name: String, isTaken: (String) -> Bool) -> String { isTaken(name) ? free(name + "-x", isTaken: isTaken) : name }

    /// The launcher's Job and Service.
    var launcher: String { free("launcher") { name in plan.pools.contains { $0.name == name } } }

    /// What a pool's set is called.
    func set(of pool: Int) -> String { plan.pools[pool].name + (plan.hosts.pack == nil ? "" : "-pack") }

    /// The pods of a LeaderWorkerSet are called `NAME-0` and `NAME-0-1`, which another pool's might be.
    func group(of pool: Int) -> String {
        free(set(of: pool)) { name in
            plan.pools.indices.contains { $0 != pool && (set(of: $0) == name || set(of: $0).hasPrefix(name + "-")) }
        }
    }

    /// Whether a pool is a LeaderWorkerSet: its workers compute every layer together.
    func isGroup(_ pool: Int) -> Bool {
        groupsGangs && plan.pools[pool].size > 1 && layout.gangs.contains { $0.pool == pool || $0.expertPool == pool }
    }

    // MARK: - Files

    /// Everything but the keys.
    public var cluster: String {
        let head = """
            # \(namespace): \(layout.nodes.count) nodes in \(layout.packs(of: plan.hosts.pack).count) pods, and the launcher. Made by 'testbed export kubernetes'.
            #
            #     kubectl apply -f cluster.yaml -f keys.yaml
            #     kubectl -n \(namespace) wait --for=condition=complete --timeout=1h job/\(launcher)
            #     kubectl apply -f collect.yaml && kubectl -n \(namespace) wait --for=condition=ready pod/\(collectorName)
            #     kubectl cp \(namespace)/\(collectorName):\(Self.results) results
            #     kubectl delete namespace \(namespace)
            #
            # Another run needs the namespace deleted and new keys. The image is 'testbed:latest', from Docker/Dockerfile.

            """
        var documents = [space, configuration, claim, network, service(launcher), launcherJob, service("client"), clientJob]
        documents += [service("controller"), set(Node(controller: layout))]
        for pool in plan.pools.indices {
            if isGroup(pool) {
                documents.append(leaderWorkerSet(pool))
            } else {
                documents += [service(set(of: pool)), set(Node(pool, layout, name: set(of: pool), pack: plan.hosts.pack))]
            }
        }
        return head + Manifest.stream(documents)
    }

    /// The keys, a Secret for each Service with a file for each pod: texts of key files by their owners' names.
    public func secrets(_ keys: [(name: String, text: String)]) -> String {
        var documents: [Manifest] = []
        let texts = Dictionary(keys.map { ($0.name, $0.text) }) { first, _ in first }
        let packs = layout.packs(of: plan.hosts.pack)
        func alone(_ owner: String, _ name: String) -> (String, [(String, [String])]) { (owner, [(name, [name])]) }
        let owners = [alone(launcher, "launcher"), alone("client", "client"), alone("controller", "controller")]
        let pools = plan.pools.indices.map { pool in
            (plan.pools[pool].name, packs.filter { $0.nodes[0].pool == pool }.map { ($0.name, $0.nodes.map(\.name)) })
        }
        for (owner, files) in owners + pools {
            let data = files.map { name, nodes in (name + ".key", nodes.compactMap { texts[$0] }.joined()) }
            documents.append(object("v1", "Secret", secret(of: owner), [("type", .text("Opaque")), ("stringData", .labels(data))]))
        }
        return "# Keys for one run: keep them secret.\n" + Manifest.stream(documents)
    }

    func secret(of owner: String) -> String { "keys-" + owner }

    /// A pod that holds the records for `kubectl cp`.
    public var collector: String {
        var container = self.container("collect", words: ["3600"], resources: ("10m", "100m", "64Mi", "128Mi"), mounts: [resultMount])
        container.append(("command", .texts(["sleep"])))
        let spec = podSpec(container, volumes: [resultVolume], more: [("restartPolicy", .text("Never"))])
        return Manifest.stream([object("v1", "Pod", collectorName, [("spec", spec)])])
    }

    private var collectorName: String { "collect" }

    // MARK: - What is there once

    private var space: Manifest {
        let labels = [("pod-security.kubernetes.io/enforce", "restricted"), ("app.kubernetes.io/part-of", "testbed")]
        return .map([
            ("apiVersion", .text("v1")), ("kind", .text("Namespace")),
            ("metadata", .map([("name", .text(namespace)), ("labels", .labels(labels))])),
        ])
    }

    private var configuration: Manifest {
        var texts: [(String, Manifest)] = []
        var others: [(String, Manifest)] = []
        for (name, bytes) in files {
            if let text = String(validating: bytes, as: UTF8.self) {
                texts.append((name, .text(text)))
            } else {
                others.append((name, .text(Base64.text(bytes))))
            }
        }
        return object("v1", "ConfigMap", "topology", [("data", .map(texts))] + (others.isEmpty ? [] : [("binaryData", .map(others))]))
    }

    private var claim: Manifest {
        let spec = Manifest.map([
            ("accessModes", .texts(["ReadWriteOnce"])), ("resources", .map([("requests", .labels([("storage", "10Gi")]))])),
        ])
        return object("v1", "PersistentVolumeClaim", "results", [("spec", spec)])
    }

    /// Pods of the cluster talk to each other, at two ports, and to the name service; nobody else talks to them.
    private var network: Manifest {
        func ports(_ ports: [(String, Int)], more: [[(String, Manifest)]] = []) -> Manifest {
            .list((ports.map { [("protocol", .text($0.0)), ("port", .number($0.1))] } + more).map { .map($0) })
        }
        let peers = Manifest.list([.map([("podSelector", .map([("matchLabels", .labels(common))]))])])
        // A pod's nodes have a port each.
        var nodes: [(String, Manifest)] = [("protocol", .text("TCP")), ("port", .number(ComposeFile.nodePort))]
        if let pack = plan.hosts.pack, pack > 1 { nodes.append(("endPort", .number(ComposeFile.nodePort + pack - 1))) }
        let own = ports([("TCP", ComposeFile.launcherPort)], more: [nodes])
        let spec = Manifest.map([
            ("podSelector", .map([("matchLabels", .labels(common))])), ("policyTypes", .texts(["Ingress", "Egress"])),
            ("ingress", .list([.map([("from", peers), ("ports", own)])])),
            ("egress", .list([.map([("to", peers), ("ports", own)]), .map([("ports", ports([("UDP", 53), ("TCP", 53)]))])])),
        ])
        return object("networking.k8s.io/v1", "NetworkPolicy", "cluster", [("spec", spec)])
    }

    // MARK: - Parts

    /// Labels of everything.
    var common: [(String, String)] { [("app.kubernetes.io/name", "testbed"), ("app.kubernetes.io/instance", instance)] }

    /// Labels of the pods behind a Service.
    func labels(_ owner: String) -> [(String, String)] { common + [("testbed.service", owner)] }

    func object(_ version: String, _ kind: String, _ name: String, _ rest: [(String, Manifest)]) -> Manifest {
        let metadata = Manifest.map([("name", .text(name)), ("namespace", .text(namespace)), ("labels", .labels(common))])
        return .map([("apiVersion", .text(version)), ("kind", .text(kind)), ("metadata", metadata)] + rest)
    }

    /// Names lead to pods as soon as they have addresses: nodes find each other before any is ready.
    private func service(_ owner: String) -> Manifest {
        let port = owner == launcher ? ComposeFile.launcherPort : ComposeFile.nodePort
        let spec = Manifest.map([
            ("clusterIP", .text("None")), ("publishNotReadyAddresses", .flag(true)), ("selector", .labels(labels(owner))),
            ("ports", .list([.map([("name", .text("testbed")), ("port", .number(port))])])),
        ])
        return object("v1", "Service", owner, [("spec", spec)])
    }
}
