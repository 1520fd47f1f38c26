import Cluster
import Export
import Foundation
import Testing
import TopologyFile

@Suite("A cluster for Docker Compose")
struct ComposeTests {
    private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    private func plan(_ name: String) throws -> ClusterPlan {
        switch TopologyReader.read(path: "\(root)/Topologies/\(name).yaml") {
        case .success(let topology): return topology.plan
        case .failure(let diagnostics): throw diagnostics
        }
    }

    @Test("lies ready as it is exported")
    func ready() throws {
        let text = try String(contentsOfFile: root + "/Docker/compose.pd-4x8.yml", encoding: .utf8)
        #expect(try ComposeFile(plan("pd-4x8"), launcher: .bundled("pd-4x8")).text == text)
    }

    @Test("has a container for each node by its name, with its own secret and no other, and one for the launcher", arguments: ["moe-ep8", "standby"])
    func services(name: String) throws {
        let plan = try plan(name)
        let text = ComposeFile(plan, launcher: .files(["topology.yaml", "trace"])).text
        let lines = text.split(separator: "\n").map(String.init)
        for node in ClusterLayout(plan).nodes {
            let start = try #require(lines.firstIndex(of: "  \(node.name):"))
            let service = lines[start..<(start + 9)]
            #expect(service.contains("    secrets: [\(node.name)]"))
            #expect(service.contains { $0.contains("\"join\", \"\(node.name)\"") && $0.contains("\"\(node.name):7001\"") })
            #expect(lines.contains("  \(node.name): {file: ./keys/\(node.name).key}"))
        }
        #expect(lines.contains { $0.hasPrefix("    command: [\"up\", \"/cluster/topology.yaml\"") })
        #expect(lines.contains { $0.contains("./trace:/cluster/trace:ro") })
    }

    /// The services of a file by name, each with the values of its keys as they stand.
    private func services(_ text: String) -> [String: [String: String]] {
        var services: [String: [String: String]] = [:]
        var name: String?
        var isInside = false
        for line in text.split(separator: "\n") {
            if !line.hasPrefix(" ") { isInside = line == "services:" }
            guard isInside, line.hasPrefix("  ") else { continue }
            if !line.hasPrefix("    ") {
                name = String(line.dropFirst(2).dropLast())
            } else if let name, let colon = line.firstIndex(of: ":") {
                services[name, default: [:]][String(line[..<colon].dropFirst(4))] = String(line[line.index(after: colon)...].dropFirst())
            }
        }
        return services
    }

    private func words(_ list: String?) -> [String] {
        (list ?? "").trimmingCharacters(in: ["[", "]"]).components(separatedBy: ", ").map { $0.trimmingCharacters(in: ["\""]) }
    }

    @Test("has a network for each rack, and a way for every two nodes that talk", arguments: ["pd-4x8", "moe-ep32", "standby"], [1, 2, 4, 100])
    func racks(name: String, hostsPerRack: Int) throws {
        var plan = try plan(name)
        plan.hosts.hostsPerRack = hostsPerRack
        let layout = ClusterLayout(plan)
        let file = ComposeFile(plan, launcher: .files(["topology.yaml"]))
        let services = services(file.text)
        let networks = try layout.nodes.map { Set(words(try #require(services[$0.name])["networks"])) }
        let racks = Set(layout.nodes.map(\.rack).filter { $0 >= 0 })
        #expect(racks.count > 16 || racks.allSatisfy { file.networkNames.contains("rack-\($0)") })
        for one in layout.nodes {
            #expect(!networks[one.index].isDisjoint(with: words(services["launcher"]?["networks"])))
            for other in layout.nodes where one.index < other.index {
                let isFront = one.rack < 0 || other.rack < 0
                let isGang = layout.gang(of: one.index).map { $0.members.contains(other.index) } ?? false
                let isHandOver = one.role == .prefill && other.role != .prefill
                if isFront || isGang || isHandOver || one.rack == other.rack {
                    #expect(!networks[one.index].isDisjoint(with: networks[other.index]), "\(one.name) and \(other.name)")
                }
                // A way that nobody needs is not there: prefill workers of two racks meet on the network between racks, or not at all.
                if !isFront, one.rack != other.rack, racks.count <= 16 {
                    #expect(networks[one.index].intersection(networks[other.index]).isSubset(of: ["spine"]))
                }
            }
        }
    }

    @Test("keeps workers apart that have nothing to say to each other")
    func apart() throws {
        var plan = try plan("colo-8")
        plan.hosts.hostsPerRack = 1
        #expect(!ComposeFile(plan, launcher: .bundled("x")).networkNames.contains("spine"))
        plan.controller.migration.name = "llumnix"
        #expect(ComposeFile(plan, launcher: .bundled("x")).networkNames.contains("spine"))
    }

    @Test("begins a container anew only where the topology does so with its node")
    func restarts() throws {
        var plan = try plan("pd-4x8")
        #expect(services(ComposeFile(plan, launcher: .bundled("x")).text).values.allSatisfy { $0["restart"] == nil })
        plan.faults.events = [
            FaultSpec(at: 1_000_000_000, kind: .kill(restart: 5_000_000_000), targets: [.node("decode-1")]),
            FaultSpec(at: 1_000_000_000, kind: .kill(restart: nil), targets: [.node("decode-2")]),
        ]
        let services = services(ComposeFile(plan, launcher: .bundled("x")).text)
        #expect(services.filter { $0.value["restart"] == "on-failure" }.map(\.key) == ["decode-1"])
    }

    @Test("packs workers of a pool into containers: each node once, with its keys and with resources for all", arguments: [1, 3, 8, 100])
    func packs(size: Int) throws {
        var plan = try plan("pd-4x8")
        plan.hosts.pack = size
        let services = services(ComposeFile(plan, launcher: .bundled("x")).text)
        let joins = services.filter { $0.key != "launcher" }.mapValues { words($0["command"]) }
        let nodes = joins.values.flatMap { $0.dropFirst().prefix { !$0.hasPrefix("--") } }
        #expect(nodes.sorted() == ClusterLayout(plan).nodes.map(\.name).sorted())
        #expect(joins.count == 2 + (4 + size - 1) / size + (8 + size - 1) / size)
        for (name, words) in joins where name.contains("-pack-") {
            let own = Array(words.dropFirst().prefix { !$0.hasPrefix("--") })
            #expect(own.count <= size && Set(own.map { $0.split(separator: "-")[0] }).count == 1)
            #expect(own.allSatisfy { services[name]?["secrets"]?.contains("{source: \($0), target: \($0).key}") == true })
            #expect(services[name]?["deploy"] == "{resources: {limits: {\(own.count == 1 ? "cpus: \"1\", " : "")memory: \(512 * own.count)M}}}")
        }
    }

    @Test("leaves the launcher out when that is on the host, whose address is the gateway of a network of each container")
    func host() throws {
        let file = try ComposeFile(plan("pd-4x8"), launcher: .host(port: 5000))
        let services = services(file.text)
        #expect(services["launcher"] == nil && services.count == 14)
        for service in services.values {
            #expect(words(service["command"]).contains("tcp://launcher:5000") && service["depends_on"] == nil)
            let network = words(service["networks"])[0]
            #expect(file.networkNames.contains(network))
            #expect(service["extra_hosts"] == "[\"launcher:${\(ComposeFile.gateway(of: network))}\"]")
        }
    }
}
