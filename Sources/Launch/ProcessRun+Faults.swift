import Cluster
import Glibc
import Quantities

/// Faults of a run under way.
extension ProcessRun {
    /// Does a fault to the processes that it hits, at the emulated time that has come.
    func inject(_ fault: Fault) {
        for node in fault.nodes {
            switch fault.kind {
            case .kill, .preempt:
                condemned.insert(node)
                children[node].kill(SIGKILL)
            case .hang: children[node].kill(SIGSTOP)
            case .slow, .link, .partition: break
            }
        }
    }

    /// A process that is stopped goes on.
    func resume(_ node: Int, at time: Instant) { children[node].kill(SIGCONT) }

    /// Links are what they were.
    func heal(at time: Instant) {}

    /// Why a command cannot be carried out; `nil` when it can.
    func refusal(of action: ClusterCommand.Action) -> String? {
        switch action {
        case .restart, .slow, .partition, .heal: "this version does not carry out such faults"
        // The clock stands while it waits for a node that is stopped, so its time would never be over.
        case .pause(_, duration: .some) where plan.clock == .virtual: "found --for under the virtual clock, expected 'unpause' later"
        default: nil
        }
    }
}
