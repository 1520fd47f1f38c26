import Cluster

/// What runs in the pods.
extension KubernetesFiles {
    /// Nodes that have a Service, a set and their keys in common.
    struct Node {
        /// Their Service and set.
        var owner: String
        var count: Int
        /// A node's name in its own pod.
        var name: String
        /// By which name its peers reach it.
        var address: String
        /// Whose workers they are.
        var pool: Int?
        /// What the pod is told of itself: a variable and the field that it is from.
        var variables: [(String, String)]
        /// Nodes of a pod at the most; `nil`: it is one.
        var pack: Int?

        init(controller: ClusterLayout) {
            (owner, name, address) = ("controller", "controller", "controller")
            (count, pool, variables) = (1, nil, [])
        }

        /// The workers of a pool that is a StatefulSet: pods are called as its nodes or packs are.
        init(_ pool: Int, _ layout: ClusterLayout, name: String, pack: Int?) {
            (owner, self.name, address) = (name, "$(NODE)", "$(NODE).\(name)")
            (count, self.pool, variables) = (Self.pods(pool, layout, pack), pool, [("NODE", "metadata.name")])
            self.pack = pack
        }

        /// The workers of a pool that is a LeaderWorkerSet: a pod is told its place.
        init(group: String, _ pool: Int, _ layout: ClusterLayout, set: String, pack: Int?) {
            (owner, name, address) = (group, "\(set)-$(PLACE)", "$(POD).\(group)")
            (count, self.pool, self.pack) = (Self.pods(pool, layout, pack), pool, pack)
            variables = [("POD", "metadata.name"), ("PLACE", "metadata.labels['leaderworkerset.sigs.k8s.io/worker-index']")]
        }

        private static func pods(_ pool: Int, _ layout: ClusterLayout, _ pack: Int?) -> Int {
            layout.packs(of: pack).count { $0.nodes[0].pool == pool }
        }
    }

    /// Where records are in the launcher's container.
    static var results: String { ComposeFile.results }

    // MARK: - Kinds

    func set(_ node: Node) -> Manifest {
        let spec = Manifest.map([
            ("serviceName", .text(node.owner)), ("replicas", .number(node.count)), ("podManagementPolicy", .text("Parallel")),
            ("selector", .map([("matchLabels", .labels(labels(node.owner)))])), ("template", template(node.owner, pod(node))),
        ])
        return object("apps/v1", "StatefulSet", node.owner, [("spec", spec)])
    }

    /// The controller of such sets makes the headless Service.
    func leaderWorkerSet(_ pool: Int) -> Manifest {
        let node = Node(group: group(of: pool), pool, layout, set: set(of: pool), pack: plan.hosts.pack)
        // A worker that is lost is a fault of the run, which goes on: the group does not begin anew.
        let group = Manifest.map([
            ("size", .number(node.count)), ("restartPolicy", .text("None")), ("workerTemplate", template(node.owner, pod(node))),
        ])
        let spec = Manifest.map([("replicas", .number(1)), ("startupPolicy", .text("LeaderCreated")), ("leaderWorkerTemplate", group)])
        return object("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", node.owner, [("spec", spec)])
    }

    var clientJob: Manifest {
        let container = self.container(
            "client", words: join("client", address: "client", linger: "0s"), resources: ("100m", "1", "256Mi", "1Gi"), mounts: [keyMount("client")])
        // The launcher may come later than a steward waits; one that comes again after its node was lost waits for the end.
        let spec = podSpec(container, volumes: [keyVolume(secret(of: "client"))], more: [("restartPolicy", .text("OnFailure"))])
        return job("client", spec, tries: 20)
    }

    var launcherJob: Manifest {
        let words = [
            "up", "/cluster/topology.yaml", "--listen", "tcp://0.0.0.0:\(ComposeFile.launcherPort)", "--keys", Self.keyPath,
            "--out", "\(Self.results)/\(instance)", "--quiet",
        ]
        let topology = Manifest.map([("name", .text("topology")), ("configMap", .labels([("name", "topology")]))])
        let mount = Manifest.map([("name", .text("topology")), ("mountPath", .text("/cluster")), ("readOnly", .flag(true))])
        let memory = 512 + 4 * layout.nodes.count
        let container = self.container(
            "launcher", words: words, resources: ("500m", "2", "\(memory / 2)Mi", "\(memory)Mi"),
            mounts: [keyMount("launcher"), mount, resultMount])
        let volumes = [keyVolume(secret(of: launcher)), topology, resultVolume]
        // A run is not begun anew by anybody but its user.
        return job(launcher, podSpec(container, volumes: volumes, more: [("restartPolicy", .text("Never"))], grace: 30), tries: 0)
    }

    private func job(_ owner: String, _ spec: Manifest, tries: Int) -> Manifest {
        let spec = Manifest.map([("backoffLimit", .number(tries)), ("template", template(owner, spec))])
        return object("batch/v1", "Job", owner, [("spec", spec)])
    }

    private func template(_ owner: String, _ spec: Manifest) -> Manifest {
        .map([("metadata", .map([("labels", .labels(labels(owner)))])), ("spec", spec)])
    }

    // MARK: - Pods

    /// A pod of a set stays when the run is over, for the set would begin it anew.
    private func pod(_ node: Node) -> Manifest {
        // A file with the keys of all of a pack says which nodes they are.
        let words = join(node.pack == nil ? node.name : nil, address: node.address, linger: "30d")
        let most = min(node.pack ?? 1, node.pool.map { plan.pools[$0].size } ?? 1)
        let resources = ("\(100 * most)m", "\(most)", "\(128 * most)Mi", "\(512 * most)Mi")
        var container = self.container("node", words: words, resources: resources, mounts: [keyMount(node.name)])
        if !node.variables.isEmpty {
            let variables = node.variables.map { name, field in
                Manifest.map([("name", .text(name)), ("valueFrom", .map([("fieldRef", .labels([("fieldPath", field)]))]))])
            }
            container.append(("env", .list(variables)))
        }
        let keys = secret(of: node.pool.map { plan.pools[$0].name } ?? node.owner)
        var more: [(String, Manifest)] = []
        if let pool = node.pool, let place = affinity(of: pool, node.owner) { more.append(("affinity", place)) }
        return podSpec(container, volumes: [keyVolume(keys)], more: more)
    }

    private func join(_ name: String?, address: String, linger: String) -> [String] {
        ["join"] + (name.map { [$0] } ?? []) + [
            "--launcher", "tcp://\(launcher):\(ComposeFile.launcherPort)", "--keys", Self.keyPath,
            "--bind", "0.0.0.0:\(ComposeFile.nodePort)", "--advertise", "\(address):\(ComposeFile.nodePort)", "--linger", linger,
        ]
    }

    /// As the topology has it, where the cluster can: workers of a pool on hosts of their own, and in several racks or in one. Racks are zones.
    private func affinity(of pool: Int, _ owner: String) -> Manifest? {
        let nodes = layout.nodes.filter { $0.pool == pool }
        guard nodes.count > 1 else { return nil }
        func preferred(_ weight: Int, _ key: String) -> (String, Manifest) {
            let term = Manifest.map([
                ("labelSelector", .map([("matchLabels", .labels(labels(owner)))])), ("topologyKey", .text(key)),
            ])
            return (
                "preferredDuringSchedulingIgnoredDuringExecution", .list([.map([("weight", .number(weight)), ("podAffinityTerm", term)])])
            )
        }
        let (host, rack) = ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
        let isInOneRack = nodes.allSatisfy { $0.rack == nodes[0].rack }
        let isOnOneHost = nodes.allSatisfy { $0.host == nodes[0].host }
        var kinds: [(String, Manifest)] = []
        if isInOneRack { kinds.append(("podAffinity", .map([preferred(50, isOnOneHost ? host : rack)]))) }
        if !isOnOneHost { kinds.append(("podAntiAffinity", .map([preferred(isInOneRack ? 20 : 50, isInOneRack ? host : rack)]))) }
        return .map(kinds)
    }

    /// - Parameter resources: processors and memory that are asked for and that may be used: request and limit of each.
    func container(
        _ name: String, words: [String], resources: (String, String, String, String), mounts: [Manifest]
    ) -> [(String, Manifest)] {
        let scratch = Manifest.labels([("name", "scratch"), ("mountPath", "/tmp")])
        let privileges = Manifest.map([
            ("allowPrivilegeEscalation", .flag(false)), ("readOnlyRootFilesystem", .flag(true)), ("capabilities", .map([("drop", .texts(["ALL"]))])),
        ])
        return [
            ("name", .text(name)), ("image", .text("testbed:latest")), ("imagePullPolicy", .text("IfNotPresent")), ("args", .texts(words)),
            (
                "resources",
                .map([
                    ("requests", .labels([("cpu", resources.0), ("memory", resources.2)])),
                    ("limits", .labels([("cpu", resources.1), ("memory", resources.3)])),
                ])
            ), ("securityContext", privileges), ("volumeMounts", .list(mounts + [scratch])),
        ]
    }

    func podSpec(_ container: [(String, Manifest)], volumes: [Manifest], more: [(String, Manifest)], grace: Int = 5) -> Manifest {
        let scratch = Manifest.map([("name", .text("scratch")), ("emptyDir", .map([]))])
        let user = Manifest.map([
            ("runAsNonRoot", .flag(true)), ("runAsUser", .number(10_001)), ("runAsGroup", .number(10_001)), ("fsGroup", .number(10_001)),
            ("seccompProfile", .labels([("type", "RuntimeDefault")])),
        ])
        return .map(
            [
                ("automountServiceAccountToken", .flag(false)), ("enableServiceLinks", .flag(false)),
                ("terminationGracePeriodSeconds", .number(grace)), ("securityContext", user),
            ] + more + [("containers", .list([.map(container)])), ("volumes", .list(volumes + [scratch]))])
    }

    // MARK: - Volumes

    private func keyVolume(_ secret: String) -> Manifest {
        .map([("name", .text("keys")), ("secret", .map([("secretName", .text(secret)), ("defaultMode", .number(0o440))]))])
    }

    /// Where a container's own keys are.
    private static var keyPath: String { "/keys/own.key" }

    /// One file of the Secret, so that a container sees no keys but its own.
    private func keyMount(_ name: String) -> Manifest {
        .map([
            ("name", .text("keys")), ("mountPath", .text(Self.keyPath)), (name.contains("$(") ? "subPathExpr" : "subPath", .text(name + ".key")),
            ("readOnly", .flag(true)),
        ])
    }

    var resultVolume: Manifest {
        .map([("name", .text("results")), ("persistentVolumeClaim", .labels([("claimName", "results")]))])
    }

    var resultMount: Manifest { .labels([("name", "results"), ("mountPath", Self.results)]) }
}
