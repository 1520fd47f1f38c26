import CWire
import Nodes

extension FrameEncoder {
    func pack(_ step: MigrationStep) -> UnsafeMutablePointer<Testbed__Migration>? {
        guard let packed = arena.make(testbed__migration__init) else { return nil }
        packed.pointee.kind = UInt32(step.kind.rawValue)
        packed.pointee.id = step.id
        packed.pointee.stream = step.stream
        packed.pointee.attempt = step.attempt
        packed.pointee.from = step.from
        packed.pointee.tokens = step.tokens
        packed.pointee.node = step.node
        packed.pointee.born = step.born
        guard let state = step.state else { return packed }
        guard let moved = arena.make(testbed__relocation__init), let request = pack(state.request) else { return nil }
        moved.pointee.request = request
        moved.pointee.generated = state.generated
        moved.pointee.computed = state.computed
        moved.pointee.preemptions = state.preemptions
        moved.pointee.prefill_start = state.prefillStart
        moved.pointee.prefill_node = state.prefillNode
        moved.pointee.kv_transfer = state.kvTransfer
        moved.pointee.begun = state.begun
        moved.pointee.last_token = state.lastToken
        moved.pointee.stages = state.stages
        moved.pointee.bytes = state.bytes
        packed.pointee.state = moved
        return packed
    }
}
