import Cluster
import Policies
import Quantities

/// The keys of `recovery`.
enum RecoveryGrammar {
    static var codec: Codec<RecoveryPlan> {
        let time = Codec<Int64>.quantity(.duration, Limits.span)
        return .mapping(
            "recovery", RecoveryPlan(),
            [
                Key(
                    "policy", \.policy, PolicyGrammar.codec(.recovery, RecoveryRegistry.descriptions),
                    "What becomes of the requests of a dead worker."),
                Key("heartbeat", \.heartbeat, time, "How often a node tells the controller that it lives."),
                Key("timeout", \.timeout, time, "After how long a silence it counts as dead."),
                Key("retries", \.retries, .integer(0...1_000, "a number of retries"), "How often one request is begun again before it fails."),
                Key(
                    "patience", \.patience, .quantity(.duration, 0...Limits.span.upperBound),
                    "How long requests wait for a worker while none lives."),
                Key(
                    "standby", \.hasStandby, .flag,
                    "Whether a second controller takes over when the first is silent, or has ended after a notice, unless the first is back earlier."),
                Key(
                    "preemption", \.preemption, PolicyGrammar.codec(.preemption, PreemptionRegistry.descriptions),
                    "What is done between the notice that a worker will be ended and its end."),
                Key("start-up", \.startUp, startUp, "What a worker's start costs."),
            ])
    }

    static var startUp: Codec<StartUpPlan> {
        .mapping(
            "start-up", StartUpPlan(),
            [
                Key("base", \.base, .quantity(.duration, 0...Limits.span.upperBound), "Its process and its runtime, before weights load."),
                Key("tier", \.tier, .choice("tier", StorageTier.allCases), "Where weights are kept; workers of a host that start at once share it."),
                Key(
                    "bandwidth", \.bandwidth, Codec<Int64>.quantity(.memoryBandwidth, Limits.bandwidth).or("tier"),
                    "Bandwidth of the tier on a host; tier: its usual one."),
            ])
    }
}
