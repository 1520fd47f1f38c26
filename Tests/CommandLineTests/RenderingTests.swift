import CommandLine
import Foundation
import Terminal
import Testing

@Suite("Renderings of the command table")
struct RenderingTests {
    @Test("help names every verb and option that people may use, within the width", arguments: [40, 60, 80, 100])
    func help(_ columns: Int) throws {
        let overview = exampleTable.help(columns: columns)
        for verb in exampleTable.visibleVerbs { #expect(overview.contains("  \(verb.name)")) }
        #expect(!overview.contains("engine"))
        let page = exampleTable.help(verb: "fly", columns: columns)
        for option in try #require(exampleTable.verb(named: "fly")).options {
            #expect(page.contains("--\(option.name)"))
            #expect(option.value == nil || page.contains("--\(option.name) \(option.value?.name ?? "")"))
        }
        for line in (overview + page).split(separator: "\n") { #expect(line.count <= columns, "\(line)") }
    }

    @Test("the help of a verb reads as people expect")
    func helpText() {
        let land = exampleTable.help(verb: "land")
        #expect(
            land == """
                Come back.

                Usage:
                  orbit land FIELD

                Arguments:
                  FIELD  Where. One of north or south.

                Options:
                  -h, --help  Print the help of the verb.

                """)
        #expect(exampleTable.help(verb: "land", style: Style(usesColour: true)).contains("\u{1b}[1mUsage:\u{1b}[0m"))
    }

    @Test("the manual page has no request by accident and passes a linter where there is one")
    func manPage() throws {
        let page = exampleTable.manPage(version: "1.0")
        #expect(page.hasPrefix(".TH \"ORBIT\" 1"))
        #expect(page.contains("\n\\&.leading dot, back\\eslash"))
        #expect(page.contains("\\-\\-speed"))
        #expect(!page.contains("engine"))
        let macros: Set<Substring> = ["TH", "SH", "SS", "PP", "TP", "B", "RS", "RE", "EX", "EE"]
        for line in page.split(separator: "\n") where line.hasPrefix(".") { #expect(macros.contains(line.dropFirst().prefix { $0 != " " })) }
        guard let report = try output(of: ["man", "--warnings", "-E", "UTF-8", "-l", "-"], input: page) else {
            print("no 'man' here: the manual page was not rendered")
            return
        }
        #expect(report.text.contains("--speed X"))
        #expect(report.errors == "")
    }

    @Test("the reference has a section a verb and no row with too many cells")
    func reference() {
        let text = exampleTable.reference()
        for verb in exampleTable.visibleVerbs { #expect(text.contains("\n## orbit \(verb.name)\n")) }
        #expect(!text.contains("engine"))
        for line in text.split(separator: "\n") where line.hasPrefix("|") {
            #expect(line.replacing("\\|", with: "").filter { $0 == "|" }.count == 3, "\(line)")
        }
    }

    @Test("scripts name every verb and option and parse in their shell", arguments: Shell.allCases)
    func scripts(_ shell: Shell) throws {
        let script = exampleTable.completions(for: shell)
        for verb in exampleTable.visibleVerbs { #expect(script.contains(verb.name)) }
        #expect(script.contains("calm wild"))
        #expect(!script.contains("engine"))
        guard let report = try output(of: [shell.rawValue, "-n", "/dev/stdin"], input: script) else {
            print("no \(shell.rawValue) here: its script was not parsed")
            return
        }
        #expect(report.errors == "")
    }

    @Test(
        "bash offers what fits at the cursor",
        arguments: [
            (["orbit", "f"], ["fly"]), (["orbit", "fly", "--s"], ["--speed", "--set"]), (["orbit", "fly", "--mode", ""], ["calm", "wild"]),
            (["orbit", "fly", "--mode", "="], ["calm", "wild"]), (["orbit", "fly", "--mode", "=", "w"], ["wild"]),
            (["orbit", "land", "s"], ["south"]),
            (["orbit", "help", "l"], ["land"]), (["orbit", "fly", "--crew", ""], []),
        ])
    func bash(_ words: [String], _ expected: [String]) throws {
        let quoted = words.map { "'\($0)'" }.joined(separator: " ")
        let script =
            exampleTable.completions(for: .bash)
            + "COMP_WORDS=(\(quoted)); COMP_CWORD=\(words.count - 1); _orbit; (( ${#COMPREPLY[@]} )) && printf '%s\\n' \"${COMPREPLY[@]}\"\n"
        guard let report = try output(of: ["bash", "/dev/stdin"], input: script) else { return }
        #expect(report.text.split(separator: "\n").map(String.init) == expected)
        #expect(report.errors == "")
    }

    /// Runs a program from the PATH; `nil` when there is none.
    private func output(of arguments: [String], input: String) throws -> (text: String, errors: String)? {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("testbed-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("input")
        try Data(input.utf8).write(to: file)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "command -v \"$0\" >/dev/null || exit 99; exec \"$0\" \"$@\" 2>\"$TESTBED_ERRORS\""] + arguments
        process.standardInput = try FileHandle(forReadingFrom: file)
        let errors = folder.appendingPathComponent("errors")
        process.environment = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "TESTBED_ERRORS": errors.path, "MANWIDTH": "80"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let text = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus != 99 else { return nil }
        return (String(decoding: text, as: UTF8.self), (try? String(contentsOf: errors, encoding: .utf8)) ?? "")
    }
}
