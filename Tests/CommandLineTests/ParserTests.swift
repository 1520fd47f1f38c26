import CommandLine
import Testing

@Suite("The parser")
struct ParserTests {
    private func command(_ arguments: String...) throws -> ParsedCommand {
        guard case .run(let command) = try exampleTable.parse(arguments) else { throw UsageError(["asked for help"]) }
        return command
    }

    private func problems(_ arguments: String...) -> [String] {
        do {
            let invocation = try exampleTable.parse(arguments)
            return ["accepted: \(invocation)"]
        } catch {
            return error.problems
        }
    }

    @Test("an option's value may follow it or be joined to it, in long and short form")
    func values() throws {
        for form in [["--speed", "2.5"], ["--speed=2.5"], ["-s", "2.5"], ["-s2.5"], ["-s=2.5"], ["-jqs", "2.5"]] {
            guard case .run(let command) = try exampleTable.parse(["fly", "moon"] + form) else {
                Issue.record("\(form) asked for help")
                continue
            }
            #expect(command.number("speed") == 2.5)
            #expect(command.arguments == ["moon"])
        }
    }

    @Test("values keep what they are: repeats in order, the first equals sign divides")
    func accessors() throws {
        let command = try command("fly", "--set", "a.b=1=2", "moon", "--set=c=", "mars", "--keep", "film,log", "--crew=9", "--json")
        #expect(command.verb == "fly")
        #expect(command.arguments == ["moon", "mars"])
        #expect(command.assignments("set").map(\.key) == ["a.b", "c"])
        #expect(command.assignments("set").map(\.value) == ["1=2", ""])
        #expect(command.list("keep") == ["film", "log"])
        #expect(command.list("speed") == nil)
        #expect(command.integer("crew") == 9)
        #expect(command.has("json"))
        #expect(!command.has("quiet"))
        #expect(command.text("out") == nil)
    }

    @Test("after two dashes everything is an argument, and one dash is an argument everywhere")
    func endOfOptions() throws {
        #expect(try command("fly", "-", "--", "--speed", "-h").arguments == ["-", "--speed", "-h"])
    }

    @Test("help is understood in every habit and wins over mistakes")
    func help() throws {
        for arguments in [["help", "fly"], ["fly", "--help"], ["fly", "-h"], ["fly", "--sped", "-qh", "--crew", "x"]] {
            #expect(try exampleTable.parse(arguments) == .help(verb: "fly"))
        }
        for arguments in [["help"], ["--help"], ["-h"]] { #expect(try exampleTable.parse(arguments) == .help(verb: nil)) }
        #expect(try command("--version").verb == "version")
        #expect(problems("help", "flu") == ["unknown verb 'flu', did you mean 'fly'?"])
    }

    @Test("unknown names are answered with the nearest one")
    func suggestions() {
        #expect(problems("fyl") == ["unknown verb 'fyl', did you mean 'fly'?"])
        #expect(problems("xyzzy") == ["unknown verb 'xyzzy'"])
        #expect(problems("fly", "moon", "--sped", "3") == ["unknown option '--sped', did you mean '--speed'?"])
        #expect(problems("fly", "moon", "--mode", "clam") == ["option '--mode': found 'clam', expected calm or wild, did you mean 'calm'?"])
        #expect(problems("fly", "moon", "-x") == ["unknown option '-x'"])
        #expect(problems("--speed") == ["found option '--speed' where a verb was expected"])
        #expect(problems() == ["expected a verb: fly, land, help or version"])
    }

    @Test("every mistake is reported in one pass")
    func allMistakes() {
        #expect(
            problems("fly", "--speed=0", "--crew", "10", "--json=yes", "--set", "=x", "--keep=log,,film", "--require", "a<b", "--crew=2", "--out")
                == [
                    "option '--speed': found '0', expected a number more than 0 and at most 100.0",
                    "option '--crew': found '10', expected a whole number from 1 to 9",
                    "option '--json' takes no value, found 'yes'",
                    "option '--set': found '=x', expected KEY=VALUE",
                    "option '--keep': found '', expected log or film",
                    "option '--require': found 'a<b', expected a plain number in the figure's SI unit after '<'",
                    "option '--crew' was given more than once",
                    "option '--out' needs a value: --out DIR",
                    "expected PLACE",
                ])
    }

    @Test("numbers that only look like numbers are refused", arguments: ["nan", "inf", "0x10", "1e999", "", " 1", "-1", "1s", "٣"])
    func numbers(_ text: String) {
        #expect(problems("fly", "moon", "--speed=\(text)").count == 1)
        #expect(problems("fly", "moon", "--crew=\(text)").count == 1)
    }

    @Test("an option is not taken for the value of the one before it")
    func missingValue() {
        #expect(problems("fly", "moon", "--out", "--json") == ["option '--out' needs a value: --out DIR"])
        #expect(problems("fly", "moon", "--speed", "-1") == ["option '--speed': found '-1', expected a number more than 0 and at most 100.0"])
    }

    @Test("arguments are counted and checked, except beside an option that stands alone")
    func positionals() throws {
        #expect(problems("land") == ["expected FIELD"])
        #expect(problems("land", "north", "south") == ["unexpected argument 'south'"])
        #expect(problems("land", "nort") == ["FIELD: found 'nort', expected north or south, did you mean 'north'?"])
        #expect(problems("version", "x") == ["unexpected argument 'x'"])
        #expect(try command("fly", "--chart").arguments == [])
    }

    @Test("the message names the program, the verb and where help is")
    func message() {
        #expect(UsageError(["a", "b"], verb: "fly").text(program: "orbit") == "orbit fly: a\norbit fly: b\nTry 'orbit help fly'.\n")
        #expect(UsageError(["a"]).text(program: "orbit") == "orbit: a\nTry 'orbit help'.\n")
        #expect(UsageError.exitCode == 2)
    }

    @Test("no sequence of odd arguments stops the parser")
    func fuzz() {
        let pieces = [
            "fly", "land", "help", "--", "-", "", "=", "--=", "--speed", "--speed=", "-s", "-", "-é", "--crew=\u{0}", "--set", "\u{301}", "-jx",
            "moon",
        ]
        var state: UInt64 = 7
        for _ in 0..<3000 {
            var arguments: [String] = []
            for _ in 0..<(state >> 60) {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                arguments.append(pieces[Int((state >> 33) % UInt64(pieces.count))])
            }
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            do {
                _ = try exampleTable.parse(arguments)
            } catch {
                #expect(!error.problems.isEmpty)
            }
        }
    }
}
