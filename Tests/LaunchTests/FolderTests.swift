import Foundation
import TestKit
import Testing

@testable import Launch

@Suite("A run's folder")
struct RunFolderTests {
    private let plan = testPlan([testPool(.colocated)])

    private func choice(out: String?) throws -> FolderChoice { try FolderChoice(plan: plan, resolved: "x", out: out) }

    @Test("lies under runs, by name, seed and digest of the topology, unless the user names one")
    func naming() throws {
        #expect(try choice(out: nil).path.hasPrefix("runs/test-1-"))
        #expect(try choice(out: nil).path == choice(out: nil).path)
        let other = try FolderChoice(plan: plan, resolved: "y", out: nil)
        #expect(try other.path != choice(out: nil).path)
        #expect(try choice(out: "a/b//").path == "a/b")
    }

    @Test("may be new, empty, or hold an earlier run and what is under way")
    func accepted() throws {
        try withDirectory { directory in
            for names in [[], ["manifest.json", "requests.csv", "logs"], [".partial-17"], [".partial-3", "manifest.json"]] {
                let folder = directory + "/\(names.count)-\(names.first ?? "empty")"
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
                for name in names { try write("", to: folder + "/" + name) }
                #expect(try choice(out: folder).path == folder)
            }
            #expect(try choice(out: directory + "/new").working.hasPrefix(directory + "/new.partial-"))
        }
    }

    @Test("is refused when the user cannot have meant it: a file, other files in it, a lone topology")
    func refused() throws {
        try withDirectory { directory in
            try write("", to: directory + "/file")
            #expect(throws: FolderError.self) { try choice(out: directory + "/file") }
            #expect(throws: FolderError.self) { try choice(out: directory) }
            #expect(throws: FolderError.self) { try choice(out: "") }
            for names in [["topology.yaml"], ["manifest.json", "thesis.tex"], ["requests.csv"]] {
                let folder = directory + "/\(names.joined())"
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
                for name in names { try write("mine", to: folder + "/" + name) }
                #expect(throws: FolderError.self) { try choice(out: folder) }
                for name in names { #expect(try read(folder + "/" + name) == "mine") }
            }
        }
    }

    @Test("takes the place of an earlier run, and touches nothing else there")
    func replacing() throws {
        try withDirectory { directory in
            let target = directory + "/run"
            try FileManager.default.createDirectory(atPath: target + "/logs", withIntermediateDirectories: true)
            for name in ["manifest.json", "messages.csv", "logs/old.log", "notes.txt"] { try write("old", to: target + "/" + name) }
            let folder = try FolderChoice(plan: plan, resolved: "topology", out: nil).made(at: target + "/.partial-1")
            try write("new", to: folder.path + "/manifest.json")
            try write("new", to: folder.path + "/logs/new.log")
            let final = try folder.moved(to: target)
            #expect(final.path == target)
            #expect(Files.list(target) == ["logs", "manifest.json", "notes.txt", "topology.yaml"])
            #expect(Files.list(target + "/logs") == ["new.log"])
            #expect(try read(target + "/manifest.json") == "new")
            #expect(try read(target + "/notes.txt") == "old")
        }
    }

    @Test("of two equal runs that end one after the other is a whole run")
    func twice() throws {
        try withDirectory { directory in
            let target = directory + "/run"
            let folders = try ["a", "b"].map { name in
                let folder = try FolderChoice(plan: plan, resolved: "topology", out: nil).made(at: "\(target).partial-\(name)")
                try write(name, to: folder.path + "/manifest.json")
                return folder
            }
            for folder in folders { _ = try folder.moved(to: target) }
            #expect(try read(target + "/manifest.json") == "b")
            #expect(Files.list(directory) == ["run"])
        }
    }
}

extension FolderChoice {
    /// The working folder, as if it were elsewhere.
    fileprivate func made(at path: String) throws -> RunFolder {
        try Files.makeDirectories(path + "/logs")
        try write("topology", to: path + "/topology.yaml")
        return RunFolder(existing: path)
    }
}

@Suite("Files")
struct FilesTests {
    @Test("directories are made with those above them, and removed with all in them, but no link is followed")
    func directories() throws {
        try withDirectory { directory in
            try Files.makeDirectories(directory + "/a/b//c/")
            #expect(Files.isDirectory(directory + "/a/b/c"))
            try Files.makeDirectories(directory + "/a/b/c")
            #expect(throws: (any Error).self) { try Files.makeDirectory(directory + "/a") }
            try write("precious", to: directory + "/kept")
            try FileManager.default.createSymbolicLink(atPath: directory + "/a/b/link", withDestinationPath: directory)
            try write("", to: directory + "/a/b/c/file")
            Files.remove(directory + "/a")
            #expect(Files.list(directory) == ["kept"])
            Files.remove(directory + "/nothing")
        }
    }

    @Test("are written whole, read whole or up to a limit, and missing where they are not there")
    func contents() throws {
        try withDirectory { directory in
            let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try Files.write(bytes, to: directory + "/x")
            #expect(try Files.read(directory + "/x") == bytes)
            #expect(try Files.read(directory + "/x", limit: 70_000) == Array(bytes.prefix(70_000)))
            try Files.write([], to: directory + "/x")
            #expect(try Files.read(directory + "/x")?.isEmpty == true)
            #expect(try Files.read(directory + "/y") == nil)
            #expect(Files.list(directory + "/y").isEmpty)
            #expect(throws: (any Error).self) { try Files.write([1], to: directory + "/no/such/folder") }
        }
    }

    @Test("that cannot take what is written say so")
    func fullDisk() throws {
        let file = try OutputFile("/dev/full")
        #expect(throws: (any Error).self) { try file.write("x") }
    }
}
