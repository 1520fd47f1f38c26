import CSystem
import Cluster
import Glibc
import Models
import Nodes
import Quantities
import Records
import Time
import Transport
import Workload

/// What a window costs by itself: a real node in a real process that has nothing to do in any of them.
struct EmptyWindows {
    let executable: String
    let directory: String

    /// Microseconds for a window, from the grant to the report.
    func handOver(windows: Int) throws -> Double {
        let (here, there) = try ControlChannel.pair()
        let node = try Subprocess(executable, ["idle-node", directory], control: there.descriptor)
        // Its readiness, then its first report.
        _ = try here.receive(waits: true)
        _ = try here.send(.start(epoch: 0))
        _ = try here.receive(waits: true)
        let time = try Measure.time {
            for window in 1...windows {
                _ = try here.send(.grant(until: Instant(window), ahead: 0, awaited: []))
                _ = try here.receive(waits: true)
            }
        }
        _ = try here.send(.stop)
        _ = node.wait()
        return time / Double(windows) * 1e6
    }

    /// The node's process.
    static func node(directory: String) throws {
        guard let plan = plan() else { return }
        let layout = ClusterLayout(plan)
        let rows = RecordBuffers()
        guard
            let host = NodeHost.make(
                layout.nodes[2], of: plan, layout: layout, records: rows, faults: FaultTable(nodes: layout.nodes.count), source: { Nothing() })
        else { return }
        let sockets = try DataSockets(directory: directory, node: 2, count: layout.nodes.count)
        let shell = NodeShell(
            host: host, plan: plan, layout: layout, sockets: sockets,
            control: ControlChannel(descriptor: ControlChannel.nodeDescriptor), sink: Nothing())
        if try shell.waitForStart() != nil { try shell.runVirtual() }
    }

    /// A client, a controller and one worker.
    static func plan() -> ClusterPlan? {
        guard let model = ModelCatalog.named("llama-3.1-8b"), let device = DeviceCatalog.named("h100-sxm") else { return nil }
        let pool = PoolPlan(
            name: "worker", role: .colocated, count: 1, model: model, device: device, tensorParallel: 1, pipelineParallel: 1, engine: EnginePlan())
        let workload = WorkloadPlan(arrivals: .poisson(rate: 1), promptTokens: .fixed(1), outputTokens: .fixed(1), requestLimit: 1)
        return ClusterPlan(name: "idle", pools: [pool], workload: workload)
    }
}

/// No requests, and no place for rows.
private final class Nothing: RequestSource, RecordSink {
    func next() -> RequestSpec? { nil }
    func drain(_ host: NodeHost) {}
    func close(_ host: NodeHost) {}
}
