import Quantities
import Records
import Terminal

extension SummaryTable {
    /// So many of the nodes that were last most often are named.
    private static let lastNames = 3

    /// Where the time of ranks that share their layers went, who held them up, and how their experts were loaded.
    static func barriers(_ barrier: Summary.Barrier, _ experts: Summary.Experts?) -> [String] {
        var table = TextTable([.init(""), .init("")])
        let wait = barrier.wait.map { ", \(Figures.time($0.mean)) on average, p99 \(Figures.time($0.p99))" } ?? ""
        table.add(["barriers", "\(Figures.count(barrier.count)) waits" + wait])
        if let idle = barrier.idleFraction {
            table.add(["ranks", "\(share(barrier.computeFraction)) computing, \(Figures.share(idle)) idle in iterations"])
            table.add([
                "idle for",
                "attention \(share(barrier.attentionStragglerFraction)), experts \(share(barrier.expertStragglerFraction)), "
                    + "network \(share(barrier.networkFraction))",
            ])
        }
        if let last = last(barrier) { table.add(["last", last]) }
        if let experts {
            let load = experts.imbalance.map { "max/mean load \(Figures.number($0.mean)), p99 \(Figures.number($0.p99)); " } ?? ""
            table.add(["experts", load + "\(Figures.count(experts.routedTokens)) routed, \(Figures.count(experts.droppedTokens)) dropped"])
            if experts.replans > 0 {
                table.add(["placement", "made anew \(Figures.count(experts.replans)) times, \(Figures.bytes(experts.fetchedBytes)) of weights moved"])
            }
        }
        return table.lines()
    }

    private static func share(_ share: Double?) -> String { share.map(Figures.share) ?? "-" }

    /// The nodes that were last most often, with their share of all waits; `nil` when none ever was.
    private static func last(_ barrier: Summary.Barrier) -> String? {
        let total = barrier.last.reduce(0) { $0 + Double($1.times) }
        guard total > 0 else { return nil }
        // By how often, then in the order of the nodes.
        let order = barrier.last.indices.filter { barrier.last[$0].times > 0 }
            .sorted { (barrier.last[$1].times, $0) < (barrier.last[$0].times, $1) }
        let named = order.prefix(lastNames).map { "\(barrier.last[$0].name) \(Figures.share(Double(barrier.last[$0].times) / total))" }
        return named.joined(separator: ", ") + (order.count > lastNames ? ", …" : "")
    }
}
