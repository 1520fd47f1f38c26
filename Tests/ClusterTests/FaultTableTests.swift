import Cluster
import Policies
import Quantities
import TestKit
import Testing

@Suite("What happens to processes")
struct FaultTableTests {
    private let second: Nanoseconds = 1_000_000_000

    private func table(_ events: [FaultSpec], _ change: (inout ClusterPlan) -> Void = { _ in }) -> (FaultTable, ClusterPlan, ClusterLayout) {
        var plan = testPlan([testPool(.prefill, count: 2), testPool(.decode, count: 2)])
        plan.faults.events = events
        change(&plan)
        let layout = ClusterLayout(plan)
        return (FaultTable(plan, layout), plan, layout)
    }

    private func kill(_ at: Int64, _ target: FaultTarget, back: Int64?) -> FaultSpec {
        FaultSpec(at: at * second, kind: .kill(restart: back.map { ($0 - at) * second }), targets: [target])
    }

    @Test("faults that overlap leave a node down for as long as one of them says, in whatever order they come", arguments: 0..<200)
    func union(_ number: UInt64) {
        var random = RandomStream(seed: number, stream: 1)
        let spans = (0..<5).map { _ -> TimeSpan in
            let from = Int64(1 + random.below(40))
            return TimeSpan(from: from, until: random.below(8) == 0 ? .never : from + Int64(1 + random.below(15)))
        }
        let table = FaultTable(nodes: 1)
        for span in spans {
            if random.below(2) == 0 {
                table.add(Fault(at: span.from, until: span.until, kind: .kill(restart: nil), nodes: [0]))
            } else {
                table.add(Fault(at: 0, until: span.until, kind: .preempt(grace: span.from, restart: nil), nodes: [0]))
            }
        }
        for time in Int64(0)..<70 { #expect(table.isUp(0, at: time) == !spans.contains { $0.contains(time) }, "at \(time)") }
        #expect(zip(table.outages[0], table.outages[0].dropFirst()).allSatisfy { $0.until <= $1.from })
    }

    @Test("a node that is stopped or slow for two reasons is so until the last is over, as slow as the slowest makes it")
    func stopsAndSlowness() {
        let (table, _, layout) = table([
            FaultSpec(at: 1, kind: .hang(10), targets: [.node("decode-0")]), FaultSpec(at: 5, kind: .hang(20), targets: [.node("decode-0")]),
            FaultSpec(at: 1, kind: .slow(factor: 2, duration: 10), targets: [.node("decode-1")]),
            FaultSpec(at: 5, kind: .slow(factor: 4, duration: 2), targets: [.node("decode-1")]),
        ])
        let nodes = layout.nodes.filter { $0.role == .decode }.map(\.index)
        #expect(table.thaw(nodes[0], 2) == 25 && table.thaw(nodes[0], 25) == 25)
        #expect([0, 1, 5, 7, 11].map { table.slowdown(nodes[1], at: $0) } == [1000, 2000, 4000, 2000, 1000])
    }

    @Test("an instance that is lost before its time has no second notice, and what begins there meanwhile is taken away at the deadline")
    func early() {
        let (table, _, layout) = table([
            FaultSpec(at: 1 * second, kind: .preempt(grace: 30 * second, restart: 10 * second), targets: [.node("decode-0")]),
            kill(5, .node("decode-0"), back: 8),
        ])
        let node = layout.nodes.first { $0.name == "decode-0" }?.index ?? 0
        #expect(table.outages[node] == [TimeSpan(from: 5 * second, until: 8 * second), TimeSpan(from: 31 * second, until: 41 * second)])
        #expect(table.notices[node].count == 1)
    }

    @Test("a standby that has notice of the controller's end takes over a latency after it, and without notice when it has missed it")
    func standby() throws {
        let notice = FaultSpec(at: 5 * second, kind: .preempt(grace: 2 * second, restart: nil), targets: [.node("controller")])
        for (hasStandby, until) in [(false, Instant.never), (true, 7 * second + LinkPlan().control.latency)] {
            let (table, plan, layout) = table([notice]) { $0.recovery.hasStandby = hasStandby }
            #expect(table.outages[ClusterLayout.controller] == [TimeSpan(from: 7 * second, until: until)])
            #expect(table.detections(plan, layout) == [hasStandby ? until : nil])
        }
        let (missed, plan, _) = table([kill(7, .node("controller"), back: nil)]) { $0.recovery.hasStandby = true }
        #expect(missed.outages[ClusterLayout.controller].first?.until == 7 * second + plan.links.control.latency + plan.recovery.timeout)
    }

    @Test("a rank that has notice leaves its gang before its end, where the policy announces ends; without, it is missed when it is silent")
    func gangs() {
        for (policy, isEarly) in [("none", false), ("drain", true), ("spotserve", true)] {
            var plan = gangPlan(attention: 4)
            plan.recovery.preemption = PolicyChoice(policy)
            plan.faults.events = [FaultSpec(at: second, kind: .preempt(grace: 2 * second, restart: 5 * second), targets: [.node("ranks-1")])]
            let layout = ClusterLayout(plan)
            let table = FaultTable(plan, layout)
            let epochs = Membership(layout.gangs[0], plan, layout, table).epochs
            let end = 3 * second
            #expect(epochs.map { $0.gang?.members.count } == [4, 3, 4])
            #expect(isEarly ? epochs[1].from == end - 10_000_000 : epochs[1].from > end + plan.recovery.timeout / 2)
            #expect(epochs[2].from > 8 * second)
        }
    }
}

@Suite("The weights of a worker that begins anew")
struct RestorationTests {
    private let second: Nanoseconds = 1_000_000_000

    /// Two workers, each a pipeline over four hosts of two devices.
    private func plan(_ policy: PolicyChoice, _ events: [FaultSpec]) -> ClusterPlan {
        var pool = testPool(.colocated, count: 2, pipelineParallel: 4)
        pool.tensorParallel = 2
        var plan = testPlan([pool])
        plan.hosts = HostPlan(devicesPerHost: 2, hostsPerRack: 4)
        plan.recovery.preemption = policy
        plan.faults.events = events
        return plan
    }

    private func restoration(_ plan: ClusterPlan, born: Instant, node: Int = 2) -> (found: StartUps.Restoration, whole: ByteCount) {
        let layout = ClusterLayout(plan)
        let pool = plan.pools[0]
        return (
            StartUps(plan, layout).restoration(of: node, born: born, FaultTable(plan, layout)),
            plan.memory(of: pool).weightsPerDevice * ByteCount(pool.devices)
        )
    }

    private func lose(_ hosts: [Int], at time: Int64 = 10) -> FaultSpec {
        FaultSpec(at: time * second, kind: .kill(restart: 10 * second), targets: hosts.map { .host($0) })
    }

    private func spotserve(_ matching: Double = 0) -> PolicyChoice { PolicyChoice("spotserve", parameters: ["matching": matching]) }

    @Test("hosts of a worker over several are lost with it, and a target that is a host hits whoever has devices there")
    func hosts() {
        let plan = plan(PolicyChoice("none"), [lose([1]), lose([6], at: 50)])
        let layout = ClusterLayout(plan)
        #expect(layout.nodes.map(\.hosts) == [0..<0, 0..<0, 0..<4, 4..<8])
        #expect(FaultTable(plan, layout).faults.map(\.nodes) == [[2], [3]])
    }

    @Test("come from storage as a whole where the policy keeps none, and else only what its devices lack, from those that have it")
    func kept() {
        for policy in ["none", "drain"] {
            let (found, whole) = restoration(plan(PolicyChoice(policy), [lose([1])]), born: 20 * second)
            #expect(found.moved == 0 && found.loaded == whole && found.moving == 0)
        }
        for count in 1...4 {
            let (found, whole) = restoration(plan(spotserve(), [lose(Array(0..<count))]), born: 20 * second)
            #expect(found.moved == whole * ByteCount(count) / 4 && found.loaded == 0 && found.moving > 0)
        }
        // A process that is killed takes all of its hosts with it.
        let (all, whole) = restoration(
            plan(spotserve(), [FaultSpec(at: 10 * second, kind: .kill(restart: 10 * second), targets: [.node("colocated-0")])]), born: 20 * second)
        #expect(all.moved == whole)
    }

    @Test("come from storage where nobody has them: the other worker is down, or has not loaded its own yet")
    func nobody() {
        let both = plan(spotserve(), [lose([1]), FaultSpec(at: 5 * second, kind: .kill(restart: nil), targets: [.node("colocated-1")])])
        let (found, whole) = restoration(both, born: 20 * second)
        #expect(found.moved == 0 && found.loaded == whole / 4 && found.moving == 0)
        let late = plan(
            spotserve(), [lose([1]), FaultSpec(at: 5 * second, kind: .kill(restart: 15 * second - 1), targets: [.node("colocated-1")])])
        #expect(restoration(late, born: 20 * second).found.moved == 0)
    }

    @Test("move less where devices are matched with parts than in order or at random, by what the survivors would have kept")
    func mappings() {
        for lost in 0..<4 {
            let amounts = (0..<3).map { restoration(plan(spotserve(Double($0)), [lose([lost])]), born: 20 * second).found.moved }
            let (_, whole) = restoration(plan(spotserve(), []), born: 20 * second)
            // In order, the stages after the lost one move up by one, and the new host gets the last.
            #expect(amounts[1] == whole * ByteCount(4 - lost) / 4)
            #expect(amounts[0] == whole / 4 && amounts[2] >= amounts[0])
        }
    }
}
