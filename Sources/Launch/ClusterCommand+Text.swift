import Quantities

extension ClusterCommand {
    /// As one would type it, for the launcher's log.
    public var text: String {
        func span(_ option: String, _ time: Nanoseconds?) -> String { time.map { " --\(option) \(UnitScale.duration.format($0))" } ?? "" }
        switch action {
        case .status, .heal: return verb
        case .kill(let nodes), .unpause(let nodes): return ([verb] + nodes).joined(separator: " ")
        case .pause(let nodes, let duration): return ([verb] + nodes).joined(separator: " ") + span("for", duration)
        case .restart(let nodes, let delay): return ([verb] + nodes).joined(separator: " ") + span("after", delay)
        case .slow(let nodes, let factor, let duration):
            return ([verb] + nodes).joined(separator: " ") + " \(plainText(factor))" + span("for", duration)
        case .partition(let left, let right, let duration):
            return "\(verb) \(left.joined(separator: ",")) \(right.joined(separator: ","))" + span("for", duration)
        case .scale(let pool, let count): return "\(verb) \(pool) \(count)"
        case .submit(.generated(let rate, let requests, _, _, _)): return "\(verb) --rate \(plainText(rate)) --requests \(requests)"
        case .submit(.trace(let trace, _)): return "\(verb) --trace \(trace.path)"
        case .down(let drains, _): return drains ? "\(verb) --drain" : verb
        }
    }
}

/// A time in seconds, exactly: `8.008716151s`.
public func secondsText(_ time: Nanoseconds) -> String {
    let (whole, fraction) = time.quotientAndRemainder(dividingBy: nanosecondsPerSecond)
    guard fraction > 0 else { return "\(whole)s" }
    let digits = "\(fraction)"
    var decimals = String(repeating: "0", count: 9 - digits.count) + digits
    while decimals.last == "0" { decimals.removeLast() }
    return "\(whole).\(decimals)s"
}
