import CommandLine
import Launch
import Quantities
import Records
import Terminal

/// The verbs that look at clusters that stay up: `ps` and `top`.
enum Status {
    static func list(_ command: ParsedCommand) -> Int32 {
        Clusters.attempt {
            let all = command.has("cluster") ? [try Clusters.chosen(command)] : Clusters.running(try ClusterRegistry())
            let found = all.compactMap(\.status)
            if command.has("names") {
                StandardStream.output.write(found.flatMap(nodes).map { text($0, "name") + "\n" }.joined())
            } else if command.has("json") {
                StandardStream.output.write(JSONValue.array(found).text(.pretty) + "\n")
            } else {
                let style = StandardStream.output.capabilities.style
                for (place, status) in found.enumerated() {
                    let lines = [headline(status)] + table(status).lines(style: style)
                    StandardStream.output.write((place > 0 ? "\n" : "") + lines.map { $0 + "\n" }.joined())
                }
            }
            return 0
        }
    }

    private static func nodes(_ status: JSONValue) -> [JSONValue] { status["nodes"]?.asList ?? [] }
    private static func text(_ value: JSONValue, _ key: String) -> String { value[key]?.asText ?? "" }

    /// A cluster in one line.
    private static func headline(_ status: JSONValue) -> String {
        func count(_ key: String) -> String { Figures.count(status["requests"]?[key]?.asInteger ?? 0) }
        let time = Figures.fixed(status["now_s"]?.asNumber ?? 0, decimals: 3)
        let scheduled = status["scheduled"]?.asInteger ?? 0
        let requests = "requests: \(count("offered")) offered, \(count("ended")) ended, \(count("open")) open"
        return "\(text(status, "name")): \(text(status, "clock")) clock at \(time) s, \(requests)"
            + (scheduled > 0 ? ", \(scheduled) commands to come" : "")
            + (status["held"]?.asFlag == true ? ", held" : "") + (status["ending"]?.asFlag == true ? ", about to end" : "")
    }

    private static func table(_ status: JSONValue) -> TextTable {
        var table = TextTable([
            .init("node"), .init("role"), .init("pid", .right), .init("state"), .init("incarnation", .right), .init("started", .right),
        ])
        for node in nodes(status) {
            let why = node["why"]?.asText.map { " (\($0))" } ?? ""
            table.add([
                text(node, "name"), text(node, "role"), node["pid"]?.asInteger.map { "\($0)" } ?? "-", text(node, "state") + why,
                "\(node["incarnation"]?.asInteger ?? 0)", Figures.clock(node["age_s"]?.asNumber ?? 0) + " ago",
            ])
        }
        return table
    }

    // MARK: - top

    static func top(_ command: ParsedCommand) -> Int32 {
        Clusters.attempt {
            let cluster = try Clusters.chosen(command)
            let screen = StandardStream.output.capabilities
            let interval = Clusters.time(command, "interval") ?? nanosecondsPerSecond
            var left = command.integer("count") ?? (screen.isTerminal && !command.has("json") ? UInt64.max : 1)
            guard var before = cluster.status else { return 0 }
            while left > 0 {
                if cluster.connection.hasEnded(within: Int32(clamping: max(10, interval / 1_000_000))) { return 0 }
                guard let status = cluster.status else { return 0 }
                let clear = screen.isTerminal && !command.has("json") ? "\u{1b}[H\u{1b}[J" : ""
                StandardStream.output.write(clear + (command.has("json") ? usage(status, before).text(.pretty) + "\n" : page(status, before, screen)))
                before = status
                left -= 1
            }
            return 0
        }
    }

    /// Share of a processor that each node had between two looks; `nil` for one that was not there.
    private static func shares(_ status: JSONValue, _ before: JSONValue) -> [Double?] {
        zip(nodes(status), nodes(before)).map { now, then in
            guard let used = now["cpu_s"]?.asNumber, let usedBefore = then["cpu_s"]?.asNumber, let age = now["age_s"]?.asNumber,
                let ageBefore = then["age_s"]?.asNumber, age > ageBefore, used >= usedBefore
            else { return nil }
            return (used - usedBefore) / (age - ageBefore)
        }
    }

    private static func usage(_ status: JSONValue, _ before: JSONValue) -> JSONValue {
        let rows = zip(nodes(status), shares(status, before)).map { node, share -> JSONValue in
            [
                "name": node["name"] ?? .null, "state": node["state"] ?? .null, "cpu_fraction": .number(orNull: share),
                "memory_bytes": node["memory_bytes"] ?? .null,
            ]
        }
        return [
            "name": status["name"] ?? .null, "now_s": status["now_s"] ?? .null, "requests": status["requests"] ?? .null, "nodes": .array(rows),
        ]
    }

    private static func page(_ status: JSONValue, _ before: JSONValue, _ screen: Capabilities) -> String {
        var table = TextTable([.init("node"), .init("role"), .init("state"), .init("cpu", .right), .init("memory", .right)])
        for (node, share) in zip(nodes(status), shares(status, before)) {
            table.add([
                text(node, "name"), text(node, "role"), text(node, "state"), share.map { Figures.share($0) } ?? "-",
                node["memory_bytes"]?.asInteger.map { Figures.bytes($0) } ?? "-",
            ])
        }
        return ([headline(status)] + table.lines(style: screen.style)).map { $0 + "\n" }.joined()
    }
}
