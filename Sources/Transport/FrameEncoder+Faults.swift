import CWire
import Nodes

/// Messages about failures.
extension FrameEncoder {
    func packFaults(_ message: Message, into packed: UnsafeMutablePointer<Testbed__Envelope>) {
        switch message {
        case .routed(let routed):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_ROUTED
            packed.pointee.routed = pack(routed)
        case .fence(let fence):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_FENCE
            packed.pointee.fence = pack(fence)
        case .fenced:
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_FENCED
            packed.pointee.fenced = packNotice()
        case .takeover:
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_TAKEOVER
            packed.pointee.takeover = packNotice()
        case .hello:
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_HELLO
            packed.pointee.hello = packNotice()
        case .cancel(let id, let stream):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_CANCEL
            packed.pointee.cancel = packRejected(id, stream)
        default: break
        }
    }

    private func pack(_ routed: Routed) -> UnsafeMutablePointer<Testbed__Routed>? {
        guard let packed = arena.make(testbed__routed__init) else { return nil }
        packed.pointee.id = routed.id
        packed.pointee.stream = routed.stream
        packed.pointee.node = routed.node
        packed.pointee.decodes = routed.decodes ? 1 : 0
        return packed
    }

    private func pack(_ fence: Fence) -> UnsafeMutablePointer<Testbed__Fence>? {
        guard let packed = arena.make(testbed__fence__init) else { return nil }
        packed.pointee.node = fence.node
        packed.pointee.before = fence.before
        return packed
    }

    func packNotice() -> UnsafeMutablePointer<Testbed__Notice>? {
        guard let packed = arena.make(testbed__notice__init) else { return nil }
        return packed
    }
}
