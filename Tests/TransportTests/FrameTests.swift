import Cluster
import Nodes
import Quantities
import Testing

@testable import Transport

@Suite("Frames")
struct FrameTests {
    @Test("bring every kind of message back as it was, whatever it holds", arguments: 0..<messageKinds)
    func roundTrip(kind: Int) throws {
        var random = RandomStream(seed: UInt64(kind), stream: 1)
        let (encoder, decoder) = (FrameEncoder(), FrameDecoder(nodes: nodeCount))
        for _ in 0..<100 {
            let source = Int32(random.below(nodeCount))
            let envelopes = (0..<random.below(4)).map { _ in randomEnvelope(source: source, kind: kind, &random) }
            #expect(try decoded(frame(source: source, envelopes, encoder: encoder), decoder) == envelopes)
        }
    }

    @Test("bring messages of all kinds in one frame back in order")
    func mixed() throws {
        var random = RandomStream(seed: 1, stream: 2)
        let envelopes = (0..<512).map { randomEnvelope(source: 3, kind: $0 % messageKinds, &random) }
        let bytes = frame(source: 3, envelopes)
        #expect(try decoded(bytes, FrameDecoder(nodes: nodeCount)) == envelopes)
        #expect(frame(source: 3, envelopes) == bytes, "the same envelopes are the same bytes")
    }

    @Test("from random bytes give envelopes that a node can handle, or an error", arguments: UInt64(0)..<4)
    func randomBytes(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 3)
        let decoder = FrameDecoder(nodes: nodeCount)
        for _ in 0..<2500 {
            let bytes = (0..<random.below(120)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            check(bytes, decoder)
        }
    }

    @Test("mutated anywhere give envelopes that a node can handle, or an error", arguments: UInt64(0)..<4)
    func mutatedBytes(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 4)
        let decoder = FrameDecoder(nodes: nodeCount)
        var (read, refused) = (0, 0)
        for _ in 0..<250 {
            let source = Int32(random.below(nodeCount))
            let good = frame(
                source: source, (0..<(1 + random.below(3))).map { _ in randomEnvelope(source: source, kind: random.below(messageKinds), &random) })
            for _ in 0..<10 {
                var bytes = good
                for _ in 0..<(1 + random.below(3)) where !bytes.isEmpty { mutate(&bytes, &random) }
                if check(bytes, decoder) { read += 1 } else { refused += 1 }
            }
        }
        #expect(read > 100 && refused > 100)
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout RandomStream) {
        let place = random.below(bytes.count)
        switch random.below(5) {
        case 0: bytes[place] ^= 1 << UInt8(random.below(8))
        case 1: bytes[place] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)]
        case 2: bytes.removeSubrange(place...)
        case 3: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
        default: bytes.insert(contentsOf: bytes[place...].prefix(1 + random.below(40)), at: random.below(bytes.count))
        }
    }

    /// Decodes and looks at what came out. Answers whether it was a frame.
    @discardableResult
    private func check(_ bytes: [UInt8], _ decoder: FrameDecoder) -> Bool {
        guard let envelopes = try? decoded(bytes, decoder) else { return false }
        for envelope in envelopes where !isInRange(envelope) { Issue.record("out of range: \(envelope) from \(bytes)") }
        return true
    }

    private func isInRange(_ envelope: Envelope) -> Bool {
        guard (0..<nodeCount).contains(Int(envelope.source)), envelope.sent >= 0,
            envelope.head > envelope.sent || (envelope.head == envelope.sent && envelope.message.channel == .layer), envelope.tail >= envelope.head,
            envelope.tail < .never, envelope.bytes >= 0, envelope.bytes < .never, LinkKind(rawValue: Int(envelope.link)) != nil,
            envelope.isBulk == envelope.message.isBulk
        else { return false }
        switch envelope.message {
        case .submit(let request), .assign(let request), .rebuild(let request): return isInRange(request)
        case .migration(let step):
            let state = step.state
            return step.tokens >= 0 && step.from >= 0 && (-1..<Int32(nodeCount)).contains(step.node) && (state != nil) == (step.kind == .handover)
                && state.map { isInRange($0.request) && $0.computed + 1 == $0.request.promptTokens + $0.generated && $0.bytes >= 0 } ?? true
        case .place(let placement), .prefilled(let placement):
            return isInRange(placement.request) && (0..<nodeCount).contains(Int(placement.prefillNode))
        case .status(let load): return load.waitingRequests >= 0 && load.runningRequests >= 0 && load.usedBlocks >= 0 && load.usedBlocks <= 1 << 30
        case .tokens(let tokens): return tokens.allSatisfy { $0.index >= 0 && $0.index < 1 << 26 }
        case .milestone(let milestone): return milestone.index >= 0 && milestone.index < 1 << 26 && milestone.kvTransfer >= 0
        case .rejected: return true
        case .wake(let start, let epoch): return times.contains(start) && epoch >= 0
        case .routed(let routed): return (0..<Int32(nodeCount)).contains(routed.node)
        case .fence(let fence): return (0..<Int32(nodeCount)).contains(fence.node) && times.contains(fence.before)
        case .fenced, .takeover, .hello, .cancel, .deactivate, .retired: return true
        case .adopt(let request): return isInRange(request)
        case .leaving(let leaving): return leaving.deadline >= 0 && leaving.running.allSatisfy { $0.cached >= 0 && $0.produced >= 0 }
        case .handback(_, _, let holder): return (-1..<nodeCount).contains(Int(holder))
        case .evacuate(let evacuation):
            return times.contains(evacuation.start) && evacuation.moves.allSatisfy { (0..<nodeCount).contains(Int($0.node)) }
        case .move(let cache): return isInRange(cache.request) && cache.cached >= 1
        case .activate(let time): return times.contains(time)
        case .layer(let message): return isInRangeOfLayers(message)
        case .pull(let cache), .cache(let cache), .release(let cache): return cache.prefillStart >= -1
        }
    }

    private func isInRange(_ request: Assignment) -> Bool {
        request.promptTokens >= 1 && request.outputTokens >= 1 && request.arrival >= 0 && request.arrival < .never
            && (-1..<nodeCount).contains(Int(request.decodeNode)) && (-1..<nodeCount).contains(Int(request.holder))
    }

    @Test("with anything out of range are refused as a whole")
    func refusals() {
        var random = RandomStream(seed: 5, stream: 5)
        let good = randomEnvelope(source: 1, kind: 0, &random)
        func refused(_ change: (inout Envelope) -> Void) -> Bool {
            var bad = good
            change(&bad)
            return (try? decoded(frame(source: 1, [good, bad]), FrameDecoder(nodes: nodeCount))) == nil
        }
        #expect(!refused { _ in })
        #expect(refused { $0.head = $0.sent })
        #expect(refused { $0.sent = -1 })
        #expect(refused { $0.tail = $0.head - 1 })
        #expect(refused { $0.bytes = -1 })
        #expect(refused { $0.link = 4 })
        #expect(refused { $0.message = .submit(Assignment(id: 1, stream: 0, promptTokens: 0, outputTokens: 1, priority: 0, arrival: 0)) })
        #expect(refused { $0.message = .assign(Assignment(id: 1, stream: 0, promptTokens: 1, outputTokens: 0, priority: 0, arrival: 0)) })
        #expect(refused { $0.message = .tokens([StreamToken(id: 1, stream: 0, index: .max)]) })
        #expect(refused { $0.message = .tokens([StreamToken(id: 1, stream: 0, index: -1)]) })
        let other = frame(source: Int32(nodeCount), [good])
        #expect((try? decoded(other, FrameDecoder(nodes: nodeCount))) == nil)
        #expect((try? decoded([], FrameDecoder(nodes: nodeCount)))?.isEmpty == true)
    }
}

@Suite("The arena")
struct ArenaTests {
    @Test("gives memory that does not overlap, aligned, up to its limit, and all of it again after a reset")
    func limit() throws {
        let arena = Arena(limit: 1 << 20)
        for _ in 0..<3 {
            var pieces: [UnsafeMutableRawBufferPointer] = []
            var random = RandomStream(seed: 1, stream: 1)
            var taken = 0
            while true {
                let size = random.below(5000)
                guard let piece = arena.take(size) else { break }
                taken += size
                #expect(Int(bitPattern: piece) % 16 == 0)
                pieces.append(UnsafeMutableRawBufferPointer(start: piece, count: size))
            }
            // What is left of each chunk of 64 KiB is less than a piece.
            #expect(taken > (1 << 20) - 16 * 6_000 && taken <= 1 << 20)
            for (place, piece) in pieces.enumerated() { for index in piece.indices { piece[index] = UInt8(truncatingIfNeeded: place) } }
            for (place, piece) in pieces.enumerated() { #expect(piece.allSatisfy { $0 == UInt8(truncatingIfNeeded: place) }) }
            arena.reset()
        }
    }

    @Test("refuses what no frame can need", arguments: [Int.max, Int.max - 15, Int.min, -1, (1 << 20) + 1])
    func wild(size: Int) {
        let arena = Arena(limit: 1 << 20)
        #expect(arena.take(size) == nil)
        #expect(arena.take(1 << 20) != nil)
        #expect(arena.take(1) == nil)
    }
}
