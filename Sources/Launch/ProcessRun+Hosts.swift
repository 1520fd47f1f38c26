import Cluster
import Glibc
import Nodes
import Time
import Transport

/// A run whose nodes are on other hosts: it starts when everybody has joined.
extension ProcessRun {
    /// Waits until there is somebody for every node. Answers `false` when the run is to end instead.
    func waitForHosts(_ hosts: RemoteHosts) throws -> Bool {
        try hosts.begin(in: folder, plan)
        try events.add(hosts.descriptor, number: RemoteHosts.eventNumber)
        var nextWord = monotonicNow() + 5_000_000_000
        while !isStopping {
            try look(milliseconds: 200)
            let missing = hosts.missing
            if missing.isEmpty { return true }
            guard monotonicNow() > nextWord else { continue }
            nextWord = monotonicNow() + 10_000_000_000
            onWait?("waiting at \(hosts.endpoint) for \(missing.count) of \(layout.nodes.count) nodes: " + missing.prefix(5).joined(separator: ", "))
        }
        return false
    }

    /// Takes what has come from other hosts.
    func lookAtHosts() throws {
        guard let hosts else { return }
        try hosts.receive()
        for node in hosts.talkative where children.indices.contains(node) { try readControl(of: node) }
        for node in hosts.takeEnded() where children.indices.contains(node) { childEnded(node) }
        if !isStopping, let loss = hosts.loss { stop(.failed(loss)) }
    }

    /// Takes the next packet of a node. One that cannot be read ends the node, and not the run.
    func hear(_ node: Int, waits: Bool) -> ControlChannel.Received {
        do {
            return try children[node].control.receive(waits: waits)
        } catch {
            endImplausible(node)
            return .nothing
        }
    }

    /// Whether a report can be reckoned with: times are not negative, and counts can be added up.
    func isPlausible(_ report: WindowReport) -> Bool {
        report.next >= 0 && Channel.allCases.allSatisfy { report.earliest[$0] >= 0 && report.held[$0] >= 0 }
            && report.sent.allSatisfy { layout.nodes.indices.contains(Int($0.target)) && $0.count < 1 << 24 && $0.firstHead >= 0 }
    }

    /// Ends a node that has said what makes no sense.
    func endImplausible(_ node: Int) {
        logLine("node \(layout.nodes[node].name) has said what makes no sense; it is killed")
        children[node].kill(SIGKILL)
    }

    /// A node says that another one has sent it what cannot be read: that one is ended, which is a fault like any other.
    func endAccused(_ accused: Int, by node: Int) {
        guard children.indices.contains(accused), !gone.contains(accused) else { return }
        logLine("node \(layout.nodes[accused].name) has sent \(layout.nodes[node].name) what cannot be read; it is killed")
        children[accused].kill(SIGKILL)
    }
}
