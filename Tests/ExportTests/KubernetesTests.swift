import Cluster
import Foundation
import Testing
import Transport
import Workload

@testable import Export
@testable import TopologyFile

@Suite("A cluster for Kubernetes")
struct KubernetesTests {
    /// Documents of a stream, read by the YAML parser of topologies.
    private func documents(_ text: String) throws -> [YAMLNode] {
        try text.components(separatedBy: "---\n").dropFirst().map { document in
            let (root, mistakes) = Array(document.utf8).withUnsafeBufferPointer { YAMLReader.read($0, source: 0) }
            #expect(mistakes.isEmpty, "\(mistakes)")
            return try #require(root)
        }
    }

    private func files(_ plan: ClusterPlan, groups: Bool = false) -> KubernetesFiles {
        KubernetesFiles(plan, files: [("topology.yaml", Array(TopologyWriter.text(plan).utf8))], leaderWorkerSets: groups)
    }

    /// A pod as its kind's controller makes it: its name, and the words of its container with the variables filled in.
    private struct Pod {
        var name: String
        var words: [String]
        var keys: String
        var secret: String
    }

    private func pods(_ document: YAMLNode) throws -> [Pod] {
        let name = document["metadata", "name"].text
        var made: [(name: String, place: String, template: YAMLNode)] = []
        switch document["kind"].text {
        case "Job": made = [(name, "", document["spec", "template"])]
        case "StatefulSet":
            let count = try #require(Int(document["spec", "replicas"].text))
            made = (0..<count).map { ("\(name)-\($0)", "", document["spec", "template"]) }
        case "LeaderWorkerSet":
            let group = document["spec", "leaderWorkerTemplate"]
            let count = try #require(Int(group["size"].text))
            made = (0..<count).map { ($0 == 0 ? "\(name)-0" : "\(name)-0-\($0)", "\($0)", group["workerTemplate"]) }
        default: break
        }
        return made.map { pod in
            let container = pod.template["spec", "containers"].items[0]
            let mount = container["volumeMounts"].items[0]
            func filled(_ text: String) -> String {
                container["env"].items.reduce(text) { text, variable in
                    let isName = variable["valueFrom", "fieldRef", "fieldPath"].text == "metadata.name"
                    return text.replacingOccurrences(of: "$(\(variable["name"].text))", with: isName ? pod.name : pod.place)
                }
            }
            let path = mount["subPathExpr"].text + mount["subPath"].text
            return Pod(
                name: pod.name, words: container["args"].items.map { filled($0.text) }, keys: filled(path),
                secret: pod.template["spec", "volumes"].items[0]["secret", "secretName"].text)
        }
    }

    @Test(
        "has exactly one pod for each node, which joins under its name with its own keys and is reached by its Service",
        arguments: ["pd-4x8", "moe-ep8", "afd-4a4e", "standby"], [false, true])
    func everyNode(name: String, groups: Bool) throws {
        let plan = try bundledPlan(name)
        let documents = try documents(files(plan, groups: groups).cluster)
        let pods = try documents.flatMap(pods)
        #expect(Set(pods.map(\.name)).count == pods.count)
        let joining = pods.filter { $0.words[0] == "join" }
        #expect(joining.map { $0.words[1] }.sorted() == ClusterLayout(plan).nodes.map(\.name).sorted())
        let launcher = try #require(pods.first { $0.words[0] == "up" })
        #expect(pods.count == joining.count + 1 && launcher.words.contains("tcp://0.0.0.0:7000") && launcher.keys == "launcher.key")
        let services = documents.filter { $0["kind"].text == "Service" }.map { $0["metadata", "name"].text }
        let sets = documents.filter { $0["kind"].text == "LeaderWorkerSet" }.map { $0["metadata", "name"].text }
        for pod in joining {
            #expect(pod.keys == pod.words[1] + ".key")
            #expect(value("--launcher", pod.words) == "tcp://\(launcher.name):7000" && services.contains(launcher.name))
            let address = try #require(value("--advertise", pod.words))
            #expect(address.hasSuffix(":7001") && value("--bind", pod.words) == "0.0.0.0:7001")
            let parts = address.dropLast(5).split(separator: ".").map(String.init)
            #expect((services + sets).contains(parts.last ?? ""))
            #expect(parts.count == 1 || parts[0] == pod.name)
        }
        #expect(sets.isEmpty != (groups && !ClusterLayout(plan).gangs.isEmpty))
    }

    @Test("keeps keys out of everything but Secrets, where each pod finds its own", arguments: [false, true])
    func keys(groups: Bool) throws {
        let plan = try bundledPlan("moe-ep8")
        let names = ["launcher"] + ClusterLayout(plan).nodes.map(\.name)
        let texts = names.map { (name: $0, text: "own \($0) PUBLIC \"secret\\of: \($0)\n") }
        let files = files(plan, groups: groups)
        #expect(!files.cluster.contains("PUBLIC") && !files.collector.contains("PUBLIC"))
        let secrets = try documents(files.secrets(texts))
        for pod in try documents(files.cluster).flatMap(pods) {
            let secret = try #require(secrets.first { $0["metadata", "name"].text == pod.secret })
            let owner = pod.keys.dropLast(4)
            #expect(secret["stringData", pod.keys].text == texts.first { $0.name == owner }?.text)
        }
        #expect(secrets.reduce(0) { $0 + $1["stringData"].keys.count } == names.count)
    }

    @Test("packs workers: each pod finds in its file the keys of its own nodes, which are each in one", arguments: [2, 3, 100], [false, true])
    func packs(size: Int, groups: Bool) throws {
        var plan = try bundledPlan("afd-4a4e")
        plan.hosts.pack = size
        let layout = ClusterLayout(plan)
        let keys = try KeyFile.make(for: layout.nodes.map(\.name))
        let texts = ([keys.launcher] + keys.nodes).map { (name: $0.name, text: $0.text) }
        let files = files(plan, groups: groups)
        let (cluster, secrets) = try (documents(files.cluster), documents(files.secrets(texts)))
        var joined: [String] = []
        for pod in try cluster.flatMap(pods) where pod.words[0] == "join" {
            let secret = try #require(secrets.first { $0["metadata", "name"].text == pod.secret })
            let names = try #require(KeyFile.all(reading: secret["stringData", pod.keys].text)).map(\.name)
            #expect(names.count <= size && (names == [pod.words[1]] || pod.words[1] == "--launcher"))
            joined += names
        }
        #expect(joined.sorted() == layout.nodes.map(\.name).sorted())
        // Each node of a pod listens at a port of its own, which others may reach.
        let policy = try #require(cluster.first { $0["kind"].text == "NetworkPolicy" })
        let ports = policy["spec", "ingress"].items[0]["ports"].items
        #expect(ports.contains { Int($0["port"].text) == 7001 && Int($0["endPort"].text) == 7000 + size })
    }

    @Test("holds a topology that reads back to the same plan", arguments: ["pd-4x8-faults", "moe-ep8", "pd-afd-deepseek-v3"])
    func readsBack(name: String) throws {
        let plan = try bundledPlan(name)
        let map = try #require(try documents(files(plan).cluster).first { $0["kind"].text == "ConfigMap" })
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("topology.yaml").path
        try map["data", "topology.yaml"].text.write(toFile: path, atomically: true, encoding: .utf8)
        guard case .success(let topology) = TopologyReader.read(path: path) else {
            Issue.record("what is in the ConfigMap cannot be read")
            return
        }
        #expect(topology.plan == plan)
    }

    @Test("is the same text every time, and names nothing twice, whatever pools are called")
    func names() throws {
        var plan = try bundledPlan("moe-ep8")
        plan.pools[0].name = "launcher"
        var other = try bundledPlan("pd-1x1").pools[0]
        other.name = "launcher-0"
        plan.pools.append(other)
        for groups in [false, true] {
            let text = files(plan, groups: groups).cluster
            #expect(text == files(plan, groups: groups).cluster)
            let documents = try documents(text)
            let names = documents.map { $0["kind"].text + " " + $0["metadata", "name"].text }
            #expect(Set(names).count == names.count)
            let pods = try documents.flatMap(pods).map(\.name)
            #expect(Set(pods).count == pods.count)
        }
    }

    @Test(
        "writes hostile texts so that they read back as they are",
        arguments: [
            "yes", "", " a", "a: b", "- a", "#", "'\"\\", "{a}", "a\nb", "a\nb\n", "\n", "a\n\n", " a\nb\n", "a\n  \n\tb\n", "tab\there",
            "\u{0}\u{7f}",
            "é\u{85}\u{2028}\u{feff}\u{1F600}", "a\n---\nb: {\n", "%YAML", "*x", "!!str", "0x10", "1e3", "~", "a #b\n", "...\n", "$(NODE)",
        ])
    func hostile(text: String) throws {
        let tree = Manifest.map([
            ("key " + text, .text(text)), ("list", .list([.text(text), .map([(text, .text(text)), ("b", .list([.text(text)]))])])),
        ])
        let (root, mistakes) = Array(tree.document.utf8).withUnsafeBufferPointer { YAMLReader.read($0, source: 0) }
        #expect(mistakes.isEmpty, "\(mistakes)")
        let read = try #require(root)
        #expect(read["key " + text].text == text)
        let items = read["list"].items
        #expect(items[0].text == text && items[1][text].text == text && items[1]["b"].items[0].text == text)
        #expect([read["key " + text], items[0]].allSatisfy { !$0.isPlainNumber || text.isEmpty })
    }

    @Test("keeps a plan's name from being more than a name", arguments: ["a\"\n: {b", "UPPER_case+1.0", "---", String(repeating: "x", count: 300)])
    func planName(name: String) throws {
        var plan = try bundledPlan("pd-1x1")
        plan.name = name
        let files = files(plan)
        #expect(files.namespace.count <= 63 && files.namespace.wholeMatch(of: /[a-z]([a-z0-9-]*[a-z0-9])?/) != nil)
        #expect(try documents(files.cluster).count == documents(self.files(bundledPlan("pd-1x1")).cluster).count)
    }

    @Test("writes bytes that are no text in 64 letters, as Foundation does")
    func base64() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 151 + count) }
            #expect(Base64.text(bytes) == Data(bytes).base64EncodedString())
        }
    }
}

@Suite("A cluster for Slurm")
struct SlurmTests {
    @Test("has a task for each host of the topology, with each node once", arguments: ["pd-4x8", "moe-ep32", "afd-4a4e", "standby"])
    func tasks(name: String) throws {
        let plan = try bundledPlan(name)
        let nodes = ClusterLayout(plan).nodes
        let tasks = SlurmTasks(plan).tasks
        #expect(tasks.flatMap { $0 } == nodes.map(\.name))
        #expect(tasks.count == Set(nodes.map(\.host)).count)
        for task in tasks { #expect(Set(nodes.filter { task.contains($0.name) }.map(\.host)).count == 1) }
        #expect(SlurmTasks(plan).batch(topology: "t").contains("#SBATCH --ntasks=\(tasks.count)\n"))
    }

    @Test("has a task for each pack, where the topology says so", arguments: [1, 3, 100])
    func packs(size: Int) throws {
        var plan = try bundledPlan("pd-4x8")
        plan.hosts.pack = size
        let tasks = SlurmTasks(plan).tasks
        #expect(tasks.flatMap { $0 } == ClusterLayout(plan).nodes.map(\.name))
        #expect(tasks[0] == ["client", "controller"] && tasks.count == 1 + (4 + size - 1) / size + (8 + size - 1) / size)
        #expect(tasks.dropFirst().allSatisfy { $0.count <= size && Set($0.map { $0.split(separator: "-")[0] }).count == 1 })
    }

    @Test("gives each task its own nodes, and takes words as they are, whatever is in them")
    func words() throws {
        let plan = try bundledPlan("pd-1x1")
        let strange = "/tmp/it's $(touch x) \"a\" `b`\\"
        let command = SlurmTasks(plan).command(executable: "echo", launcher: "tcp://h:1", keys: strange)
        let script = try #require(command.last)
        for (number, names) in SlurmTasks(plan).tasks.enumerated() {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = ["-c", script]
            process.environment = ["SLURM_PROCID": "\(number)", "PATH": "/usr/bin:/bin"]
            let pipe = Pipe()
            process.standardOutput = pipe
            try process.run()
            let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            // The shell's own echo may take backslashes for escapes.
            #expect(said.hasPrefix("join \(names.joined(separator: " ")) --launcher tcp://h:1 --keys /tmp/it's $(touch x) \"a\" `b`"))
        }
    }

    @Test("lets no line of a batch script come from a plan's name")
    func batch() throws {
        var plan = try bundledPlan("pd-1x1")
        let before = SlurmTasks(plan).batch(topology: "t")
        plan.name = "pd-1x1\n#SBATCH --uid=0\n$(x)"
        let after = SlurmTasks(plan).batch(topology: "t")
        #expect(before.split(separator: "\n").count == after.split(separator: "\n").count)
        #expect(!after.contains("--uid=0\n") && !after.contains("$(x)"))
    }
}

/// A topology that comes with the program.
private func bundledPlan(_ name: String) throws -> ClusterPlan {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
    switch TopologyReader.read(path: "\(root)/Topologies/\(name).yaml") {
    case .success(let topology): return topology.plan
    case .failure(let diagnostics): throw diagnostics
    }
}

/// The word after an option.
private func value(_ option: String, _ words: [String]) -> String? {
    words.firstIndex(of: option).flatMap { $0 + 1 < words.count ? words[$0 + 1] : nil }
}

extension YAMLNode {
    /// What is under these keys, one in the other; nothing where there is none.
    fileprivate subscript(keys: String...) -> YAMLNode {
        keys.reduce(self) { node, key in
            guard case .mapping(let entries) = node.content else { return .plain("") }
            return entries.first { $0.key == key }?.value ?? .plain("")
        }
    }

    fileprivate var items: [YAMLNode] { if case .sequence(let items) = content { items } else { [] } }
    fileprivate var keys: [String] { if case .mapping(let entries) = content { entries.map(\.key) } else { [] } }
    fileprivate var text: String { if case .scalar(let text, _) = content { text } else { "" } }

    /// Whether it would be taken for something else than text: plain, and no word.
    fileprivate var isPlainNumber: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return text.isEmpty || ["yes", "~", "null"].contains(text) || text.first?.isLetter != true
    }
}
