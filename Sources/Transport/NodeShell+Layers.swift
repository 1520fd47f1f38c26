import Nodes
import Quantities

/// Iterations that a node shares with others: it waits for their messages in the middle of a window.
extension NodeShell {
    /// Takes the node to the end of its window. In an iteration that it shares with others it waits for their messages; they have windows with
    /// the same end, and so have begun the iteration or will. Answers `false` when the node is told to stop.
    func advance(until bound: Instant) throws -> Bool {
        host.advance(until: bound, into: &out)
        while host.isWaiting {
            try sendLayers()
            guard try waitInIteration() else { return false }
            host.advance(until: bound, into: &out)
        }
        if passesHub { try sendLayers() }
        try passOnPending()
        return true
    }

    /// Waits for frames of the gang, which come soon: the launcher's word is looked for only when they do not.
    private func waitInIteration() throws -> Bool {
        while true {
            if let line, passesHub, try line.receive(waits: true, consume) {
                while try line.receive(waits: false, consume) {}
                return true
            }
            var isNews = false
            while try receiveFrame() { isNews = true }
            if isNews { return true }
            // Messages that nobody else adds to must not wait for ever.
            if !passesHub { try passOnPending() }
            if !passesHub || line == nil, try waitForFrames() { continue }
            try passOnPending()
            guard try listen() else { return false }
            // A rank has died that it waited for.
            if !host.isWaiting { return true }
        }
    }

    /// Waits a tenth of a second for frames, by the line too: where messages of the gang do not go that way any more, whoever has not been told yet
    /// still sends them. Answers whether there may be some.
    private func waitForFrames() throws -> Bool { try sockets.wait(or: line?.descriptor.map { [$0] } ?? [], milliseconds: 100) }

    /// Sends what others of the gang wait for, in the middle of a window; the rest of what the node has to say stays.
    private func sendLayers() throws {
        var kept = 0
        var place = 0
        while place < out.count {
            guard case .layer(let message) = out[place].envelope.message else {
                out.swapAt(kept, place)
                kept += 1
                place += 1
                continue
            }
            // The same message to several ranks is packed once.
            var end = place + 1
            while end < out.count, case .layer(let next) = out[end].envelope.message, next === message { end += 1 }
            try sendLayer(place..<end)
            place = end
        }
        out.removeSubrange(kept...)
        try passOnPending(isComplete: true)
    }

    /// Sends one message to its receivers.
    private func sendLayer(_ places: Range<Int>) throws {
        let source = Int32(host.plan.index)
        let targets = places.lazy.map { self.out[$0].target }
        let fits: Void? = try encoder.encode(source: source, [out[places.lowerBound].envelope]) { frame in
            guard let relay, passesHub else {
                for target in targets { try sendInGang(frame, to: Int(target)) }
                return
            }
            let target = places.count == relay.others ? FrameEncoder.everybody : out[places.lowerBound].target
            guard relay.isHere || places.count == 1 || target == FrameEncoder.everybody else {
                throw SystemError("a message to \(places.count) of \(relay.others) ranks")
            }
            if relay.isHere {
                try passOn(frame, for: target, from: source)
            } else {
                bundle.removeAll(keepingCapacity: true)
                encoder.append(frame, for: target, of: source, to: &bundle)
                try bundle.withUnsafeBytes { try sendInGang($0, to: relay.hub) }
            }
        }
        guard fits != nil else { throw SystemError("a frame that does not fit in memory") }
    }

    /// Sends a frame to a rank by the line, and by the sockets where that does not lead there.
    private func sendInGang(_ frame: UnsafeRawBufferPointer, to target: Int) throws {
        if passesHub, let line, try line.send(frame, to: target) { return }
        try sockets.send(frame, to: target)
    }

    /// A frame of `source` within a frame: for this node, or to be passed on.
    func consume(_ frame: UnsafeRawBufferPointer, for target: Int32, from source: Int32) throws {
        if target == Int32(host.plan.index) || target == FrameEncoder.everybody { try innerDecoder.decode(frame) { host.receive($0) } }
        if relay?.isHere == true { try passOn(frame, for: target, from: source) }
    }

    /// Sends what is to be passed on.
    /// - Parameter isComplete: only where an exchange's messages are all there.
    func passOnPending(isComplete: Bool = false) throws {
        guard relay?.isHere == true else { return }
        try relay?.flush(isComplete: isComplete) { try sendInGang($0, to: $1) }
    }

    private func passOn(_ frame: UnsafeRawBufferPointer, for target: Int32, from source: Int32) throws {
        let here = Int32(host.plan.index)
        bundle.removeAll(keepingCapacity: true)
        encoder.append(frame, for: target, of: here, to: &bundle)
        if target == FrameEncoder.everybody {
            relay?.addForAll(bundle, from: Int(source))
        } else if target != here {
            relay?.add(bundle, for: Int(target))
        }
    }
}
