import Cluster
import Models
import Nodes
import Policies
import Quantities
import Records
import Transport

/// Nanoseconds of the pieces that every event is made of, each the median of several rounds.
struct Pieces {
    let rounds: Int
    let calls: Int

    /// Name and nanoseconds of each piece.
    func measure() -> [(name: String, nanoseconds: Double)] {
        let leg = roundTrip(Self.leg, calls: calls)
        let sheet = roundTrip(Self.sheet, calls: max(calls / 1_000, 1))
        return [
            ("CostModel.iterationTime", costModel()),
            ("EventHeap push and pop, 1,000 held", eventHeap()),
            ("frame encoded, per message", frames().encode),
            ("frame decoded, per message", frames().decode),
            ("leg of an exchange, 32 counts, encoded", leg.encode),
            ("leg of an exchange, 32 counts, decoded", leg.decode),
            ("sheet of 58 x 288 counts, encoded", sheet.encode),
            ("sheet of 58 x 288 counts, decoded", sheet.decode),
            ("mc-sf decides, 10,000 wait, 256 run, 32 join", scheduling("mc-sf", places: 32)),
            ("mc-sf decides, 10,000 wait, 256 run, none can join", scheduling("mc-sf", places: 32, isFull: true)),
            ("sorted-f decides, 10,000 wait, 256 run, 32 join", scheduling("sorted-f", places: 32)),
            ("row of requests.csv", requestRow()),
            ("row of iterations.csv", iterationRow()),
        ]
    }

    func nanoseconds(calls count: Int? = nil, _ body: () -> Void) -> Double {
        body()
        return Measure.median((0..<rounds).map { _ in Measure.time(body) }) / Double(count ?? calls) * 1e9
    }

    private func costModel() -> Double {
        guard let model = ModelCatalog.named("llama-3.1-70b"), let device = DeviceCatalog.named("h100-sxm") else { return .nan }
        let cost = CostModel(model: model, device: device, tensorParallel: 4, pipelineParallel: 1, table: nil)
        var sum: Nanoseconds = 0
        let time = nanoseconds {
            for call in 0..<calls {
                let requests = Int64(call & 255) + 1
                sum &+= cost.iterationTime(
                    BatchShape(
                        prefillTokens: Int64(call & 1) * 512, prefillPairs: Int64(call & 1) * 131_328, prefillRequests: Int64(call & 1),
                        decodeRequests: requests, decodeContext: requests * 1024))
            }
        }
        return sum == 0 ? .nan : time
    }

    private func eventHeap() -> Double {
        var heap = EventHeap<Envelope>()
        var random = RandomStream(seed: 1, stream: 1)
        let envelope = Self.envelopes[0]
        for number in 0..<1_000 { heap.push(envelope, at: EventKey(time: Instant(random.below(1_000_000)), source: 0, sequence: UInt32(number))) }
        return nanoseconds {
            for call in 0..<calls {
                guard let event = heap.pop() else { return }
                heap.push(
                    event.payload, at: EventKey(time: event.key.time + Instant(random.below(1_000_000)), source: 1, sequence: UInt32(call)))
            }
        }
    }

    private func frames() -> (encode: Double, decode: Double) {
        let encoder = FrameEncoder()
        let decoder = FrameDecoder(nodes: 16)
        let envelopes = Self.envelopes
        var bytes: [UInt8] = []
        _ = encoder.encode(source: 3, envelopes) { bytes = Array($0) }
        let frames = calls / envelopes.count
        var sum = 0
        let encode = nanoseconds { for _ in 0..<frames { sum += encoder.encode(source: 3, envelopes) { $0.count } ?? 0 } }
        let decode = nanoseconds {
            for _ in 0..<frames { bytes.withUnsafeBytes { raw in try? decoder.decode(raw) { sum += Int($0.sequence) } } }
        }
        return sum == 0 ? (.nan, .nan) : (encode, decode)
    }

    /// Ten messages of the kinds that a decode worker sends: tokens of a batch of eight, and now and then its load.
    private static let envelopes: [Envelope] = (0..<10).map { number in
        let tokens = (0..<8).map { StreamToken(id: 1_000 + Int64($0), stream: Int32($0), index: Int32(number)) }
        return Envelope(
            source: 3, sequence: UInt32(number), sent: 1_000_000_000, head: 1_000_050_000, tail: 1_000_050_081, bytes: 256, link: 3, isBulk: false,
            message: number == 9 ? .status(LoadReport()) : .tokens(tokens))
    }

    /// A message of a gang in a frame of its own, as it travels.
    private func roundTrip(_ body: LayerMessage.Body, calls: Int) -> (encode: Double, decode: Double) {
        let start: Instant = 1_234_567_890_123
        let message = LayerMessage(iteration: 123_456, start: start, follows: true, sender: 17, body: body)
        let envelope = Envelope(
            source: 3, sequence: 0, sent: start, head: start + 5_000, tail: start + 9_000, bytes: 0, link: 0, isBulk: false, message: .layer(message))
        let envelopes = [envelope]
        let encoder = FrameEncoder()
        let decoder = FrameDecoder(nodes: 16)
        var bytes: [UInt8] = []
        _ = encoder.encode(source: 3, envelopes) { bytes = Array($0) }
        var sum = 0
        let encode = nanoseconds(calls: calls) { for _ in 0..<calls { sum += encoder.encode(source: 3, envelopes) { $0.count } ?? 0 } }
        let decode = nanoseconds(calls: calls) {
            for _ in 0..<calls { bytes.withUnsafeBytes { raw in try? decoder.decode(raw) { sum += Int($0.tail & 1) } } }
        }
        return sum == 0 ? (.nan, .nan) : (encode, decode)
    }

    private static let leg = LayerMessage.Body.leg(
        LayerLeg(
            kind: .dispatch, step: 77, flight: Flight(head: 1_234_567_990_123, tail: 1_234_567_995_123), origin: 17,
            originSent: 1_234_567_985_123, bytes: 917_504, units: 128, loadSum: 4_096, loadMost: 311, counts: (0..<32).map { $0 * 7 % 13 }))

    private static let sheet = LayerMessage.Body.sheet(
        LoadSheet(
            parts: (0..<2).map { _ in LoadSheet.Part(tokens: 64, attention: 123_456, dense: 345_678, shared: 45_678, head: 234_567) },
            counts: (0..<58 * 288).map { Int32($0 * 7 % 13) }, dropped: 0, counters: []), group: 0)

    private func requestRow() -> Double {
        var text = TextBuffer()
        var row = RequestRow(id: 12_345, arrival: 1_234_567_890_123, promptTokens: 1_024, outputTokens: 256, finish: 1_239_567_890_123, status: .done)
        row.prefillNode = "prefill-0"
        row.decodeNode = "decode-7"
        row.prefillStart = 1_234_600_000_000
        row.firstToken = 1_234_700_000_000
        row.kvTransfer = 2_345_678
        return nanoseconds {
            text.removeAll()
            for _ in 0..<calls { row.write(to: &text) }
        }
    }

    private func iterationRow() -> Double {
        var text = TextBuffer()
        let name = Array("decode-7".utf8)
        let row = IterationRow(
            iteration: 123_456, start: 1_234_567_890_123, end: 1_234_583_890_123, prefillTokens: 0, decodeTokens: 64, requests: 64, waiting: 3,
            kvBlocks: 5_120, kvBlocksTotal: 20_000, preemptions: 0)
        return nanoseconds {
            text.removeAll()
            for _ in 0..<calls { row.write(to: &text, node: name) }
        }
    }
}
