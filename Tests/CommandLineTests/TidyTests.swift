import Foundation
import Testing

@Suite("scripts/tidy")
struct TidyTests {
    private static let package = """
        let package = Package(name: "x", targets: [
            library("CYAML", "yaml-0.1", "libyaml-dev"),
            .target(name: "CSystem"),
            // Pure core
            core("Low"),
            core("High", ["Low"]),
            // Shell
            core("Shell", ["High", "CYAML"]),
        ])

        """

    /// What tidy says of a package with these files, without the package's own name.
    private func findings(_ files: [String: String]) throws -> [String]? {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("testbed-tidy-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        for (path, text) in files.merging(["Package.swift": Self.package], uniquingKeysWith: { first, _ in first }) {
            let file = root.appendingPathComponent(path)
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", repository.appendingPathComponent("scripts/tidy").path, root.path]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus != 127 else { return nil }
        let lines = output.split(separator: "\n").map(String.init)
        #expect(process.terminationStatus == (lines.isEmpty ? 0 : 1), "\(output)")
        return lines
    }

    /// The place and the rule of a finding, such as `Sources/Low/A.swift:3 import`.
    private func places(_ files: [String: String]) throws -> [String] {
        let lines = try findings(files)
        return (lines ?? []).map { line in
            let parts = line.split(separator: ":")
            return "\(parts[0]):\(parts[1]) \(line.split(separator: "[").last?.dropLast() ?? "")"
        }
    }

    @Test("what it should refuse, it refuses, with the line")
    func refuses() throws {
        let long = "func long() {\n" + String(repeating: "    a()\n", count: 59) + "}\n"
        let cases: [(String, String, [String])] = [
            ("Sources/Low/A.swift", "import High\n", ["1 import"]), ("Sources/Low/A.swift", "import Glibc\n", ["1 import"]),
            ("Sources/Low/A.swift", "\npublic import Foundation\n", ["2 import"]), ("Sources/Shell/A.swift", "import Foundation\n", ["1 import"]),
            ("Sources/Shell/A.swift", "import Low\n", ["1 import"]), ("Sources/High/A.swift", "import CYAML\n", ["1 import"]),
            ("Sources/Shell/A.swift", "let x = try! f()\nfatalError(\"\")\n", ["1 banned", "2 banned"]),
            ("Sources/Low/A.swift", "let x = Date()\nlet y = Int.random(in: 0..<2)\n", ["1 banned", "2 banned"]),
            ("Sources/Low/A.swift", "for key in table.keys { f(key) }\n", ["1 dictionary-order"]),
            ("Sources/Low/A.swift", "let x = table.values.map(f)\n", ["1 dictionary-order"]),
            ("Sources/Shell/A.swift", long, ["1 function-length"]),
            ("Sources/Shell/A.swift", String(repeating: "\n", count: 401), ["401 file-length"]),
            ("Sources/Shell/Placeholder.swift", "\n", ["1 placeholder"]), ("Sources/Shell/A.swift", "let x = 1", ["1 newline"]),
            ("Sources/Shell/A.swift", "public struct A {\n    public func f() {}\n}\n", ["1 documentation", "2 documentation"]),
            ("Docker/x", "FROM /ho" + "me/me\n", ["1 local-path"]),
            ("scripts/tidy-allow", "banned Sources/Low/Gone.swift it is gone\nbad\n", ["1 ", "2 "]),
        ]
        for (path, text, expected) in cases {
            let found = try places([path: text])
            guard try findings([:]) != nil else {
                print("no python3 here: scripts/tidy was not tested")
                return
            }
            if path == "scripts/tidy-allow" {
                #expect(found.count == expected.count)
            } else {
                #expect(found == expected.map { "\(path):\($0)" }, "\(text)")
            }
        }
    }

    @Test("what only looks like a mistake passes: in comments and strings, in the shell, with an exception")
    func accepts() throws {
        let fine = """
            import Low

            /// Does fatalError( things, try! Date(
            public struct A {
                public var size = 0
                public init() {}
                /// Says so.
                @discardableResult
                public func f() -> String { "import Glibc \\(g("fatalError(")) { try! " + #"{ " Date("# }
            }

            /// Asks.
            public protocol P {
                /// Its length.
                func length() -> Int
            }

            extension A: P {
                public func length() -> Int { table.keys.sorted().count }
            }

            """
        let long = "func long() {\n" + String(repeating: "    a()\n", count: 59) + "}\n"
        let found = try places([
            "Sources/High/A.swift": fine, "Sources/Shell/B.swift": "import CYAML\nimport Glibc\nlet x = Date()\n" + long,
            "Sources/Shell/C.swift": "func short(\n    a: Int = { 1 }()\n) {\n" + String(repeating: "    a()\n", count: 56) + "}\n",
            "scripts/tidy-allow": "# why\nfunction-length Sources/Shell/B.swift:long a table in disguise\n",
        ])
        #expect(found == [])
    }
}
