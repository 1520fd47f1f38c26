import CommandLine

/// A table with one of everything.
let exampleTable = CommandTable(
    program: "orbit", summary: "Fly a 'small' ship",
    description: [
        ".leading dot, back\\slash and the words of a long paragraph that goes on until no terminal can hold it on a single line any more."
    ],
    verbs: [
        Verb(
            "fly", "Fly somewhere", description: ["It takes a while."],
            positionals: [Positional("PLACE", "Where to.", count: .oneOrMore, completion: .files([".map"]))],
            options: [
                Option("speed", "How fast.", short: "s", value: .init("X", .positiveNumber(limit: 100), fallback: "1")),
                Option("crew", "How many.", value: .init("N", .integer(1...9))),
                Option("mode", "How [really]: it's up to you.", value: .init("MODE", .choice(["calm", "wild"]))),
                Option("keep", "What to keep.", value: .init("LIST", .list(["log", "film"]))),
                Option("set", "Change it.", value: .init("KEY=VALUE", .assignment), repeatable: true),
                Option("require", "Judge it.", value: .init("EXPR", .checked(Requirement.problem)), repeatable: true),
                Option("out", "Folder.", short: "o", value: .init("DIR", completion: .directories)),
                Option("json", "As JSON.", short: "j"),
                Option("quiet", "Say nothing.", short: "q"),
                Option("chart", "Print the chart.", standsAlone: true),
            ],
            examples: [Note("orbit fly moon", "Go to the moon")]),
        Verb("land", "Come back", positionals: [Positional("FIELD", "Where.", kind: .choice(["north", "south"]))]),
        Verb("help", "Print help", positionals: [Positional("VERB", "Which.", count: .optional, completion: .verbs)]),
        Verb("version", "Print the version"),
        Verb("engine", "Internal", hidden: true),
    ],
    exitCodes: [Note("0", "Done."), Note("2", "Bad usage.")], environment: [Note("NO_COLOR", "No colour.")])
