import Cluster
import Foundation
import Nodes
import Quantities

@testable import Transport

let nodeCount = 40

/// A directory whose path is short enough for a socket's address.
func withSocketDirectory(_ body: (String) throws -> Void) throws {
    let directory = "/tmp/testbed-test-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try body(directory)
}

/// A number drawn so that ends of its range and small numbers come often.
func edgy(_ range: ClosedRange<Int64>, _ random: inout RandomStream) -> Int64 {
    switch random.below(6) {
    case 0: range.lowerBound
    case 1: range.upperBound
    case 2: min(range.upperBound, max(range.lowerBound, Int64(random.below(300))))
    default:
        range.lowerBound + Int64(truncatingIfNeeded: random.next() % UInt64(bitPattern: range.upperBound &- range.lowerBound &+ 1))
    }
}

let times = 0...(Instant.never / 4)

func randomAssignment(_ random: inout RandomStream) -> Assignment {
    var request = Assignment(
        id: edgy(-(1 << 60)...(1 << 60), &random), stream: Int32(edgy(0...Int64(Int32.max), &random)),
        promptTokens: Int32(edgy(1...(1 << 26), &random)), outputTokens: Int32(edgy(1...(1 << 26), &random)),
        priority: Int32(edgy(Int64(Int32.min)...Int64(Int32.max), &random)), arrival: edgy(times, &random),
        decodeNode: Int32(edgy(-1...Int64(nodeCount - 1), &random)), produced: 0, restarts: Int32(edgy(0...Int64(Int32.max), &random)),
        holder: Int32(edgy(-1...Int64(nodeCount - 1), &random)))
    request.lostNode = Int32(edgy(-1...Int64(nodeCount - 1), &random))
    return request
}

private func randomCache(_ random: inout RandomStream) -> CacheMessage {
    var message = CacheMessage(
        id: edgy(0...(1 << 60), &random), stream: Int32(edgy(0...Int64(Int32.max), &random)),
        prefillSlot: Int32(edgy(-1...Int64(Int32.max), &random)),
        decodeSlot: Int32(edgy(-1...Int64(Int32.max), &random)))
    message.isFinal = random.below(2) == 0
    message.prefillStart = edgy(-1...(Instant.never / 4), &random)
    return message
}

private func randomStep(_ random: inout RandomStream) -> MigrationStep {
    let kind = MigrationStep.Kind.allCases[random.below(MigrationStep.Kind.allCases.count)]
    let length = Int64(1 << 26)
    var step = MigrationStep(kind, id: edgy(0...(1 << 60), &random), stream: Int32(edgy(0...Int64(Int32.max), &random)))
    step.attempt = Int32(edgy(0...Int64(Int32.max), &random))
    step.from = Int32(edgy(0...length, &random))
    step.tokens = Int32(edgy(Int64(step.from)...length, &random))
    step.node = Int32(random.below(nodeCount))
    step.born = edgy(times, &random)
    guard kind == .handover else { return step }
    var request = randomAssignment(&random)
    request.promptTokens = Int32(edgy(1...1_000_000, &random))
    request.outputTokens = Int32(edgy(2...1_000_000, &random))
    let generated = Int32(edgy(1...Int64(request.outputTokens - 1), &random))
    step.state = MovedRequest(
        request: request, generated: generated, computed: request.promptTokens + generated - 1, preemptions: Int32(edgy(0...1_000, &random)),
        prefillStart: edgy(-1...(Instant.never / 4), &random), prefillNode: Int32(edgy(-1...Int64(nodeCount - 1), &random)),
        kvTransfer: edgy(times, &random), begun: edgy(times, &random), lastToken: edgy(times, &random), stages: Int32(edgy(0...100, &random)),
        bytes: edgy(times, &random))
    return step
}

private func randomLoad(_ random: inout RandomStream) -> LoadReport {
    var load = LoadReport()
    load.waitingRequests = Int32(edgy(0...Int64(Int32.max), &random))
    load.runningRequests = Int32(edgy(0...Int64(Int32.max), &random))
    load.waitingTokens = edgy(0...(1 << 30), &random)
    load.usedBlocks = edgy(0...(1 << 30), &random)
    load.headBlocks = edgy(0...(1 << 30), &random)
    load.urgentRequests = Int32(edgy(0...Int64(Int32.max), &random))
    load.isMigrating = random.below(2) == 0
    load.receivedRequests = edgy(0...(1 << 50), &random)
    load.receivedTokens = edgy(0...(1 << 50), &random)
    load.receivedPredicted = edgy(0...(1 << 50), &random)
    load.contextTokens = edgy(0...(1 << 30), &random)
    load.predictedTokens = edgy(0...(1 << 30), &random)
    for _ in 0..<random.below(LoadReport.endingClasses + 1) {
        load.endingRequests.append(Int32(edgy(0...(1 << 20), &random)))
        load.endingTokens.append(edgy(0...(1 << 30), &random))
    }
    return load
}

private func randomMilestone(_ random: inout RandomStream) -> Milestone {
    Milestone(
        id: edgy(0...(1 << 60), &random), stream: Int32(edgy(0...Int64(Int32.max), &random)), index: Int32(edgy(0...((1 << 26) - 1), &random)),
        isLast: random.below(2) == 0, prefillNode: Int32(edgy(-1...Int64(nodeCount - 1), &random)),
        decodeNode: Int32(edgy(-1...Int64(nodeCount - 1), &random)), prefillStart: edgy(-1...(Instant.never / 4), &random),
        preemptions: Int32(edgy(0...Int64(Int32.max), &random)), kvTransfer: edgy(times, &random))
}

/// Kinds of messages that `randomMessage` makes.
let messageKinds = 28 + layerKinds

/// A message about a worker that leaves, rests or serves.
private func randomDeparture(_ kind: Int, _ random: inout RandomStream) -> Message {
    func id() -> Int64 { edgy(0...(1 << 60), &random) }
    func count() -> Int32 { Int32(edgy(0...Int64(Int32.max), &random)) }
    switch kind {
    case 0:
        return .leaving(
            Leaving(
                deadline: edgy(0...Instant.never, &random),
                running: (0..<random.below(20)).map { _ in Leaving.Running(id: id(), stream: count(), cached: count(), produced: count()) }))
    case 1: return .handback(id: id(), stream: count(), holder: Int32(edgy(-1...Int64(nodeCount - 1), &random)))
    case 2:
        return .evacuate(
            Evacuation(
                start: edgy(times, &random),
                moves: (0..<random.below(20)).map { _ in Evacuation.Move(id: id(), stream: count(), node: Int32(random.below(nodeCount))) }))
    case 3:
        let request = randomAssignment(&random)
        return .move(MovedCache(request: request, cached: Int32(edgy(1...Int64(request.knownTokens), &random))))
    case 4: return .adopt(randomAssignment(&random))
    case 5: return .activate(edgy(times, &random))
    case 6: return .deactivate
    default: return .retired
    }
}

/// A message of a kind, 0 ..< `messageKinds`, with contents that nodes send.
func randomMessage(_ kind: Int, _ random: inout RandomStream) -> Message {
    func placement() -> Placement {
        Placement(
            request: randomAssignment(&random), prefillNode: Int32(edgy(0...Int64(nodeCount - 1), &random)),
            prefillSlot: Int32(edgy(-1...Int64(Int32.max), &random)))
    }
    switch kind {
    case 0: return .submit(randomAssignment(&random))
    case 1: return .assign(randomAssignment(&random))
    case 2: return .place(placement())
    case 3: return .prefilled(placement())
    case 4: return .status(randomLoad(&random))
    case 5:
        return .tokens(
            (0..<random.below(50)).map { _ in
                StreamToken(
                    id: edgy(0...(1 << 60), &random), stream: Int32(edgy(0...Int64(Int32.max), &random)),
                    index: Int32(edgy(0...((1 << 26) - 1), &random)))
            })
    case 6: return .milestone(randomMilestone(&random))
    case 7: return .rejected(id: edgy(0...(1 << 60), &random), stream: Int32(edgy(0...Int64(Int32.max), &random)))
    case 8: return .pull(randomCache(&random))
    case 9: return .cache(randomCache(&random))
    case 10: return .release(randomCache(&random))
    case 11: return .wake(edgy(times, &random), epoch: Int32(edgy(0...1000, &random)))
    case 12:
        return .routed(
            Routed(
                id: edgy(0...(1 << 60), &random), stream: Int32(edgy(0...Int64(Int32.max), &random)), node: Int32(random.below(nodeCount)),
                decodes: random.below(2) == 0))
    case 13: return .fence(Fence(node: Int32(random.below(nodeCount)), before: edgy(times, &random)))
    case 14: return .fenced
    case 15: return .takeover
    case 16: return .hello
    case 17: return .cancel(id: edgy(0...(1 << 60), &random), stream: Int32(edgy(0...Int64(Int32.max), &random)))
    case 18...25: return randomDeparture(kind - 18, &random)
    case 26: return .migration(randomStep(&random))
    case 27: return .rebuild(randomAssignment(&random))
    default: return .layer(randomLayer(kind - 28, &random))
    }
}

func randomEnvelope(source: Int32, kind: Int, _ random: inout RandomStream) -> Envelope {
    let message = randomMessage(kind, &random)
    let isLayer = message.channel == .layer
    let sent = edgy(times, &random)
    let head = sent + edgy((isLayer ? 0 : 1)...(Instant.never / 4), &random)
    return Envelope(
        source: source, sequence: isLayer ? 0 : UInt32(truncatingIfNeeded: random.next()), born: isLayer ? 0 : edgy(times, &random), sent: sent,
        head: head,
        tail: head + edgy(times, &random), bytes: edgy(times, &random), link: UInt8(random.below(LinkKind.allCases.count)),
        isBulk: message.isBulk, message: message)
}

/// The bytes of a frame.
func frame(source: Int32, _ envelopes: [Envelope], encoder: FrameEncoder = FrameEncoder()) -> [UInt8] {
    encoder.encode(source: source, envelopes) { Array($0) } ?? []
}

/// What a decoder makes of bytes.
func decoded(_ bytes: [UInt8], _ decoder: FrameDecoder) throws(FrameError) -> [Envelope] {
    var found: [Envelope] = []
    // The buffer must outlive the call, and a typed error cannot pass a generic closure.
    var failure: FrameError?
    bytes.withUnsafeBytes { buffer in
        do { try decoder.decode(buffer) { found.append($0) } } catch { failure = error as? FrameError ?? FrameError(description: "\(error)") }
    }
    if let failure { throw failure }
    return found
}
