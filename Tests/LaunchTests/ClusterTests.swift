import Foundation
import Records
import Testing

@testable import Launch

@Suite("What a cluster that stays up is told")
struct ClusterCommandTests {
    private let commands: [ClusterCommand] = [
        ClusterCommand(.status), ClusterCommand(.heal, at: 5), ClusterCommand(.heal, at: 6, holds: true),
        ClusterCommand(.kill(["decode-0", "decode-1"]), at: 1_000_000_001),
        ClusterCommand(.pause(["a\"b\n"], duration: nil)), ClusterCommand(.pause(["a"], duration: 7)), ClusterCommand(.unpause(["a"])),
        ClusterCommand(.restart(["a"], after: 0)), ClusterCommand(.slow(["a"], factor: 2.5, duration: 3)),
        ClusterCommand(.partition(["a", "b"], ["c"], duration: nil)), ClusterCommand(.scale(pool: "p", count: 0)),
        ClusterCommand(.down(drains: true, format: .json)),
        ClusterCommand(
            .submit(.generated(rate: 0.5, requests: 3, promptTokens: .fixed(5), outputTokens: .uniform(from: 1, through: 2), seed: .max)), at: 0),
        ClusterCommand(.submit(.trace(.init(path: "/tmp/x.csv", format: .azure, skipBadLines: true), requests: 4))),
    ]

    @Test("comes back from its line as it was")
    func roundTrip() {
        for command in commands {
            let line = command.json.text(.compact)
            #expect(!line.utf8.contains(0x0a))
            #expect(ClusterCommand(reading: Array(line.utf8)) == command, "\(line)")
        }
    }

    @Test(
        "is refused when it makes no sense",
        arguments: [
            "", "{", "[]", "null", "7", "{}", #"{"verb":"fly"}"#, #"{"verb":7}"#, #"{"verb":"kill"}"#, #"{"verb":"kill","nodes":[]}"#,
            #"{"verb":"kill","nodes":[1]}"#, #"{"verb":"kill","nodes":"a"}"#, #"{"verb":"kill","nodes":["a"],"at":-1}"#,
            #"{"verb":"kill","nodes":["a"],"at":"now"}"#, #"{"verb":"kill","nodes":["a"],"at":9223372036854775807}"#,
            #"{"verb":"kill","nodes":["a"],"nodes":["b"]}"#, #"{"verb":"pause","nodes":["a"],"for":-5}"#,
            #"{"verb":"slow","nodes":["a"],"factor":0.5}"#, #"{"verb":"slow","nodes":["a"],"factor":1e300}"#,
            #"{"verb":"scale","pool":"p","count":-1}"#, #"{"verb":"down"}"#, #"{"verb":"partition","nodes":["a"],"peers":[]}"#,
            #"{"verb":"submit"}"#, #"{"verb":"submit","rate":0,"requests":1,"prompt":[1],"output":[1]}"#,
            #"{"verb":"submit","rate":1,"requests":0,"prompt":[1],"output":[1]}"#,
            #"{"verb":"submit","rate":1,"requests":1,"prompt":[2,1],"output":[1]}"#,
            #"{"verb":"submit","rate":1,"requests":1,"prompt":[1,2,3],"output":[1]}"#,
            #"{"verb":"submit","trace":"relative.csv","trace-format":"azure"}"#,
        ])
    func nonsense(line: String) { #expect(ClusterCommand(reading: Array(line.utf8)) == nil) }

    @Test("does no harm however it is mangled")
    func hostile() {
        var state: UInt64 = 1
        for round in 0..<3000 {
            var line = Array(commands[round % commands.count].json.text(.compact).utf8)
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                line[Int(state >> 33) % line.count] = UInt8(truncatingIfNeeded: state >> 24)
            }
            if let command = ClusterCommand(reading: line) { #expect(ClusterCommand(reading: Array(command.json.text().utf8)) == command) }
        }
        #expect(ClusterCommand(reading: Array(repeating: UInt8(ascii: "["), count: 60_000)) == nil)
    }
}

@Suite("The list of clusters that are up")
struct ClusterRegistryTests {
    private func entry(_ name: String) -> ClusterRegistry.Entry {
        ClusterRegistry.Entry(name: name, launcher: 4_000_000, socket: "/nowhere/testbed-x/cluster", folder: "/nowhere")
    }

    @Test("holds each name once, by name")
    func names() throws {
        try withDirectory { directory in
            let registry = try ClusterRegistry(directory: directory + "/list")
            for name in ["b", "a", "a-2"] { #expect(try registry.add(entry(name))) }
            #expect(try !registry.add(entry("a")))
            #expect(registry.entries().map(\.name) == ["a", "a-2", "b"])
            #expect(registry.entries().first == entry("a"))
            registry.remove("a")
            #expect(registry.entries().map(\.name) == ["a-2", "b"])
            #expect(FileManager.default.subpaths(atPath: directory + "/list")?.count == 2)
        }
    }

    @Test("drops an entry that cannot be read", arguments: ["", "{}", "[1]", #"{"name":"y","launcher":5,"socket":"s","folder":"f"}"#, "\u{0}"])
    func broken(text: String) throws {
        try withDirectory { directory in
            let registry = try ClusterRegistry(directory: directory + "/list")
            try write(text, to: directory + "/list/x.cluster")
            #expect(registry.entries().isEmpty)
            #expect(!FileManager.default.fileExists(atPath: directory + "/list/x.cluster"))
        }
    }

    @Test("is not kept where others could write, nor behind a link")
    func directory() throws {
        try withDirectory { directory in
            let files = FileManager.default
            try files.createDirectory(atPath: directory + "/open", withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
            #expect(throws: (any Error).self) { try ClusterRegistry(directory: directory + "/open") }
            _ = try ClusterRegistry(directory: directory + "/own")
            try files.createSymbolicLink(atPath: directory + "/link", withDestinationPath: directory + "/own")
            #expect(throws: (any Error).self) { try ClusterRegistry(directory: directory + "/link") }
        }
    }

    @Test("clears away the sockets of a launcher that is gone, and nothing that only looks like them")
    func clear() throws {
        try withDirectory { directory in
            let registry = try ClusterRegistry(directory: directory + "/list")
            let files = FileManager.default
            for name in ["testbed-AbCdEf", "other"] {
                try files.createDirectory(atPath: directory + "/" + name, withIntermediateDirectories: false)
                try write("", to: directory + "/\(name)/cluster")
                var gone = entry("x")
                gone.socket = directory + "/\(name)/cluster"
                #expect(try registry.add(gone))
                registry.clear(gone)
                #expect(registry.entries().isEmpty)
            }
            #expect(!files.fileExists(atPath: directory + "/testbed-AbCdEf"))
            #expect(files.fileExists(atPath: directory + "/other/cluster"))
        }
    }
}

@Suite("The socket of a cluster that stays up")
struct ClusterServerTests {
    @Test("answers line by line, ends what it cannot read, and serves the others all the same")
    func connections() throws {
        try withDirectory { directory in
            let server = try ClusterServer(path: directory + "/cluster")
            var attributes = try FileManager.default.attributesOfItem(atPath: directory + "/cluster")
            #expect((attributes[.posixPermissions] as? Int ?? 0) & 0o077 == 0)
            attributes = [:]
            let entry = ClusterRegistry.Entry(name: "x", launcher: getpid(), socket: directory + "/cluster", folder: "")
            let good = try #require(Talker(entry.socket))
            let bad = try #require(Talker(entry.socket))
            let endless = try #require(Talker(entry.socket))
            good.say("{\"verb\":\"status\"}\n{\"verb\":")
            bad.say("nonsense\n")
            for _ in 0..<20 {
                endless.say(String(repeating: "x", count: 10_000))
                try serve(server)
            }
            good.say("\"heal\"}\n")
            for _ in 0..<5 { try serve(server) }
            #expect(good.hear() == "{\"did\":\"status\"}\n{\"did\":\"heal\"}\n")
            #expect(!good.isClosed)
            #expect(bad.isClosed)
            #expect(endless.isClosed)
            // Many that say nothing do not keep one out that does.
            let silent = (0..<100).compactMap { _ -> Talker? in
                let talker = Talker(entry.socket)
                try? serve(server)
                return talker
            }
            #expect(silent.count == 100)
            let late = try #require(Talker(entry.socket))
            late.say("{\"verb\":\"heal\"}\n")
            for _ in 0..<5 { try serve(server) }
            #expect(late.hear() == "{\"did\":\"heal\"}\n")
        }
    }

    private func serve(_ server: ClusterServer) throws {
        try server.serve { _, line in
            guard let command = ClusterCommand(reading: line) else { return .hangUp }
            return .answer(["did": .string(command.verb)])
        }
    }
}
