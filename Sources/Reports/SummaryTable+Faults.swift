import Records
import Terminal

extension SummaryTable {
    /// More faults than this are left to `summary.json`.
    static let mostFaults = 12

    /// What went wrong and what it cost; no lines where nothing did.
    var faults: [String] {
        guard !summary.faults.isEmpty else { return [] }
        var table = TextTable([
            .init("fault"), .init("at", .right), .init("of"), .init("detected", .right), .init("requests", .right), .init("recomputed", .right),
            .init("recovered", .right),
        ])
        for fault in summary.faults.prefix(Self.mostFaults) {
            table.add([
                fault.kind, Figures.time(fault.time), Self.names(fault.targets), fault.detectedAfter.map(Figures.time) ?? "-",
                Figures.count(fault.requestsHit), Figures.count(fault.tokensRecomputed),
                fault.recoveryTime.map(Figures.time) ?? "-",
            ])
        }
        var lines = table.lines(style: style)
        let rest = summary.faults.count - Self.mostFaults
        if rest > 0 { lines.append("and \(Figures.count(Int64(rest))) more, in summary.json") }
        return lines
    }

    /// A word on what faults cost over the run; `nil` where nothing went wrong.
    static func line(_ recovery: Summary.Recovery) -> String {
        "\(Figures.count(recovery.restarts)) restarts, \(Figures.count(recovery.recomputedTokens)) tokens recomputed, "
            + "\(Figures.count(recovery.staleTokens)) stale, "
            + "\(Figures.count(recovery.fencedMessages)) messages fenced, \(Figures.count(recovery.lostMessages)) lost"
    }

    private static func names(_ targets: [String]) -> String {
        targets.count > 2 ? "\(targets[0]) and \(targets.count - 1) more" : targets.joined(separator: ", ")
    }
}
