import CWire
import Nodes
import Quantities

extension FrameDecoder {
    func unpack(_ packed: Testbed__Migration) throws(FrameError) -> MigrationStep {
        guard let kind = UInt8(exactly: packed.kind).flatMap(MigrationStep.Kind.init) else {
            throw FrameError(description: "a step of a migration of an unknown kind")
        }
        let lengths: ClosedRange<Int32> = 0...Self.lengths.upperBound
        // An order, and where a request went, name a node; a buddy may be nobody.
        let needsNode = kind == .order || kind == .moved
        guard isNode(packed.node), packed.node >= 0 || !needsNode, lengths.contains(packed.from), lengths.contains(packed.tokens),
            packed.from <= packed.tokens || kind != .replica, (0...Self.limit).contains(packed.born), (packed.state != nil) == (kind == .handover)
        else { throw FrameError(description: "a step of a migration with nodes, places or times out of range") }
        var step = MigrationStep(kind, id: packed.id, stream: packed.stream)
        step.attempt = packed.attempt
        step.from = packed.from
        step.tokens = packed.tokens
        step.node = packed.node
        step.born = packed.born
        if let state = packed.state { step.state = try unpack(state.pointee) }
        return step
    }

    private func unpack(_ packed: Testbed__Relocation) throws(FrameError) -> MovedRequest {
        guard let request = packed.request else { throw FrameError(description: "a request that is moved and not there") }
        let moved = MovedRequest(
            request: try unpack(request.pointee), generated: packed.generated, computed: packed.computed, preemptions: packed.preemptions,
            prefillStart: packed.prefill_start, prefillNode: packed.prefill_node, kvTransfer: packed.kv_transfer, begun: packed.begun,
            lastToken: packed.last_token, stages: packed.stages, bytes: packed.bytes)
        let times = 0...Self.limit
        let assignment = moved.request
        // It has begun, is not over, and its latest token alone is left to compute.
        guard moved.generated > assignment.produced, moved.generated < assignment.outputTokens,
            Int64(moved.computed) + 1 == Int64(assignment.promptTokens) + Int64(moved.generated), moved.preemptions >= 0,
            (-1...Self.limit).contains(moved.prefillStart), isNode(moved.prefillNode), times.contains(moved.kvTransfer), times.contains(moved.begun),
            times.contains(moved.lastToken), moved.stages >= 0, times.contains(moved.bytes)
        else { throw FrameError(description: "a request that is moved with lengths, times or nodes out of range") }
        return moved
    }
}
