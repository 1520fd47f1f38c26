import CSystem
import Cluster
import Glibc

/// Resolved topologies as text.
public enum TopologyWriter {
    /// A plan as a topology file with every default filled in, which reads back as an equal plan.
    ///
    /// Models and devices are written out in full, so that it means the same whatever a later catalogue says; paths are as the plan has them.
    public static func text(_ plan: ClusterPlan) -> String {
        var draft = TopologyDraft()
        draft.name = plan.name
        draft.seed = plan.seed
        draft.clock = plan.clock
        draft.dilation = plan.dilation
        draft.pools = plan.pools.map(PoolDraft.init)
        draft.controller = plan.controller
        draft.links = plan.links
        draft.hosts = plan.hosts
        draft.workload = WorkloadDraft(plan.workload)
        draft.objective = plan.objective
        draft.records = plan.records
        draft.predictor = plan.predictor
        draft.decisionCost = plan.decisionCost
        draft.faults = FaultsDraft(plan.faults)
        draft.recovery = plan.recovery
        share(&draft)
        let node = TopologyGrammar.codec.write(draft) ?? .mapping([])
        return title + "\n" + String(decoding: YAMLWriter.text(node), as: UTF8.self)
    }

    private static let title = "# Resolved topology: every default filled in."

    /// Writes a plan to a file, in place of what this program wrote there before; files of others are left alone.
    public static func write(_ plan: ClusterPlan, to path: String) throws(Diagnostic) {
        func refusal(_ message: String) -> Diagnostic { Diagnostic(place: Place(file: path), message: message) }
        guard !path.isEmpty, !path.utf8.contains(0) else { throw refusal("found no name of a file, expected one to write to") }
        let problem = SourceFile.problem(path)
        if problem == nil {
            let old = try SourceFile.read(path, as: path, what: "no file, or a topology that this program wrote")
            guard old.starts(with: title.utf8) else {
                throw refusal("found a file that this program did not write, expected none or one that it did")
            }
        } else if let problem, problem != "found no file" {
            throw refusal("\(problem), expected a file to write to")
        }
        var bytes = Array(text(plan).utf8)[...]
        let descriptor = testbed_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard descriptor >= 0 else { throw refusal("cannot be written: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw refusal("cannot be written: \(String(cString: strerror(errno)))") }
            bytes = bytes.dropFirst(count)
        }
    }

    /// Writes a model or a device that all pools share once.
    private static func share(_ draft: inout TopologyDraft) {
        guard let first = draft.pools.first else { return }
        if draft.pools.allSatisfy({ $0.model == first.model }) {
            draft.defaults.model = first.model
            for index in draft.pools.indices { draft.pools[index].model = nil }
        }
        if draft.pools.allSatisfy({ $0.device == first.device }) {
            draft.defaults.device = first.device
            for index in draft.pools.indices { draft.pools[index].device = nil }
        }
    }
}

extension PoolDraft {
    /// For writing.
    init(_ pool: PoolPlan) {
        name = pool.name
        role = pool.role
        count = pool.count
        most = pool.most
        model = pool.model
        device = pool.device
        tensorParallel = pool.tensorParallel
        pipelineParallel = pool.pipelineParallel
        engine = pool.engine
        table = pool.measuredTable
        mixture = pool.mixture.map(MixtureDraft.init)
    }

    /// The pool; `nil` when something that it must have is missing.
    var plan: PoolPlan? {
        guard let role, let model, let device else { return nil }
        let experts: MixtureDraft? =
            switch role {
            case .ep, .attention: mixture ?? MixtureDraft()
            case .expert: nil
            default: mixture
            }
        return PoolPlan(
            name: name, role: role, count: count, model: model, device: device, tensorParallel: tensorParallel, pipelineParallel: pipelineParallel,
            engine: engine, measuredTable: table, mixture: experts?.plan(for: model), most: most)
    }
}
