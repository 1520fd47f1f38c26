import Cluster
import Models
import Policies
import Quantities
import TestKit
import Testing

@Suite("The layout")
struct LayoutTests {
    private func plan(_ pools: [(role: Role, count: Int, devices: Int)], devicesPerHost: Int = 8, hostsPerRack: Int = 4) -> ClusterPlan {
        var plan = testPlan(
            pools.enumerated().map { place, pool in
                var shape = testPool(pool.role, count: pool.count)
                shape.name = "\(pool.role.rawValue)\(place)"
                shape.tensorParallel = pool.devices
                return shape
            })
        plan.hosts = HostPlan(devicesPerHost: devicesPerHost, hostsPerRack: hostsPerRack)
        return plan
    }

    @Test("begins with the client and the controller, which stand outside of hosts and racks")
    func frontEnd() {
        let nodes = ClusterLayout(plan([(.prefill, 1, 1), (.decode, 1, 1)])).nodes
        #expect(nodes.map(\.name) == ["client", "controller", "prefill0-0", "decode1-0"])
        #expect(nodes.map(\.role) == [.client, .controller, .prefill, .decode])
        #expect(nodes[ClusterLayout.client].host == -1 && nodes[ClusterLayout.controller].rack == -1)
    }

    @Test("fills hosts in order: two workers of four devices on each host of eight")
    func hosts() {
        let nodes = ClusterLayout(plan([(.prefill, 4, 4), (.decode, 8, 4)])).nodes.dropFirst(2)
        #expect(nodes.map(\.host) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
        #expect(nodes.map(\.rack) == [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    }

    @Test("starts the next host for a worker that does not fit, and gives one that spans hosts as many as it needs")
    func spilling() {
        let nodes = ClusterLayout(plan([(.prefill, 2, 3), (.decode, 1, 16), (.decode, 2, 4)])).nodes.dropFirst(2)
        // 3 + 3 devices on host 0; 16 devices are hosts 1 and 2 as a whole; then 4 + 4 on host 3.
        #expect(nodes.map(\.host) == [0, 0, 1, 3, 3])
    }

    @Test("classes links by what they cross")
    func links() {
        let layout = ClusterLayout(plan([(.prefill, 4, 4), (.decode, 8, 4)]))
        #expect(layout.link(from: 0, to: 1) == .control)
        #expect(layout.link(from: 1, to: 2) == .control)
        #expect(layout.link(from: 5, to: 0) == .control)
        #expect(layout.link(from: 2, to: 3) == .intraNode)
        #expect(layout.link(from: 2, to: 4) == .interNode)
        #expect(layout.link(from: 2, to: 10) == .interRack)
    }

    @Test("gives each kind of link its class")
    func classes() {
        let links = LinkPlan(
            intraNode: LinkClass(latency: 1), interNode: LinkClass(latency: 2), interRack: LinkClass(latency: 3), control: LinkClass(latency: 4))
        #expect(LinkKind.allCases.map { links[$0].latency } == [1, 2, 3, 4])
    }

    @Test("finds the workers of a role in order")
    func roles() {
        let layout = ClusterLayout(plan([(.decode, 2, 1), (.prefill, 3, 1)]))
        #expect(layout.workers(.prefill).map(\.index) == [4, 5, 6])
        #expect(layout.workers(.decode).map(\.ordinal) == [0, 1])
        #expect(layout.workers(.colocated).isEmpty)
    }

    /// Devices one by one: a worker begins at the next free device, or at the next host when it fits no more on this one.
    @Test("places random plans as a count of devices one by one does", arguments: UInt64(0)..<40)
    func reference(number: UInt64) {
        var random = RandomStream(seed: number, stream: 3)
        let capacity = [1, 4, 8][random.below(3)]
        let pools = (0..<(1 + random.below(4))).map { _ in
            let devices = random.below(4) == 0 ? capacity * (1 + random.below(3)) : 1 + random.below(capacity)
            return (role: Role.workers[random.below(3)], count: 1 + random.below(5), devices: devices)
        }
        let perRack = 1 + random.below(3)
        let layout = ClusterLayout(plan(pools, devicesPerHost: capacity, hostsPerRack: perRack))
        var device = 0
        var expected: [Int] = []
        for pool in pools {
            for _ in 0..<pool.count {
                let left = capacity - device % capacity
                if left < capacity, pool.devices > left { device += left }
                expected.append(device / capacity)
                device += pool.devices
            }
        }
        let workers = Array(layout.nodes.dropFirst(2))
        #expect(workers.map(\.host) == expected)
        #expect(workers.map(\.rack) == expected.map { $0 / perRack })
        #expect(layout.nodes.map(\.index) == Array(layout.nodes.indices))
        #expect(Set(layout.nodes.map(\.name)).count == layout.nodes.count)
        checkLinks(layout)
    }

    @Test("spreads experts over hosts where those hold equally many ranks, else over one")
    func fleets() {
        func fleet(_ pools: [(role: Role, count: Int, devices: Int)], of place: Int, _ mixture: MixturePlan) -> ExpertFleet? {
            var plan = plan(pools)
            plan.pools[place].mixture = mixture
            return plan.expertFleet(of: plan.pools[place], in: ClusterLayout(plan))
        }
        let inside = MixturePlan(gate: GatePlan(selection: .groups(count: 4, kept: 2)))
        let apart = MixturePlan(expertPool: "expert1")
        // 16 ranks of one device fill two hosts; behind a worker of two devices they are on three: 6, 8 and 2.
        #expect(fleet([(.ep, 16, 1)], of: 0, inside)?.hosts == 2)
        #expect(fleet([(.ep, 16, 1)], of: 0, inside)?.groups == 4)
        #expect(fleet([(.prefill, 1, 2), (.ep, 16, 1)], of: 1, inside)?.hosts == 1)
        #expect(fleet([(.prefill, 1, 4), (.ep, 8, 1)], of: 1, inside)?.hosts == 2)
        #expect(fleet([(.attention, 3, 1), (.expert, 4, 8)], of: 0, apart)?.ranks == 4)
        #expect(fleet([(.attention, 3, 1), (.expert, 4, 8)], of: 0, apart)?.hosts == 4)
        #expect(fleet([(.attention, 3, 1)], of: 0, apart) == nil)
    }

    private func checkLinks(_ layout: ClusterLayout) {
        for left in layout.nodes {
            for right in layout.nodes {
                let kind = layout.link(from: left.index, to: right.index)
                #expect(kind == layout.link(from: right.index, to: left.index))
                #expect((kind == .control) == (!left.role.isWorker || !right.role.isWorker))
                if left.index == right.index, left.role.isWorker { #expect(kind == .intraNode) }
                if kind == .interRack { #expect(left.rack != right.rack) }
            }
        }
    }
}
