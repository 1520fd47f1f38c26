import Planning
import Quantities
import Testing

@Suite("The pipeline of micro-batches")
struct PipelineTests {
    /// Stage by stage: each side takes the micro-batch that came first; ways hold up nobody.
    /// - Returns: by iteration and micro-batch, when it began and when it ended.
    private func simulate(_ model: PipelineModel, iterations: Int) -> [[(start: Int64, end: Int64)]] {
        var (attentionFree, expertsFree) = (Int64(0), Int64(0))
        var ready = Array(repeating: Int64(0), count: model.microBatches)
        var spans: [[(start: Int64, end: Int64)]] = []
        for _ in 0..<iterations {
            var starts = ready
            for layer in 0..<model.layers {
                for part in ready.indices {
                    let start = max(ready[part], attentionFree)
                    if layer == 0 { starts[part] = start }
                    attentionFree = start + model.attention
                    let work = max(attentionFree - model.hidden + model.dispatch, expertsFree)
                    expertsFree = work + model.experts
                    // What is computed while the tokens are under way must be done too.
                    ready[part] = max(expertsFree + model.combine, attentionFree)
                }
            }
            spans.append(zip(starts, ready).map { ($0, $1) })
        }
        return spans
    }

    private func random(_ number: UInt64, balanced: Bool = false) -> PipelineModel {
        var random = RandomStream(seed: number, stream: 9)
        let attention = Int64(10 + random.below(1_000))
        return PipelineModel(
            attention: attention, experts: balanced ? attention : Int64(10 + random.below(1_000)), dispatch: Int64(random.below(600)),
            combine: Int64(random.below(600)), layers: 1 + random.below(40), microBatches: 1 + random.below(6))
    }

    @Test("ends when a simulation of both sides ends", arguments: UInt64(0)..<200)
    func total(number: UInt64) {
        let model = random(number)
        let ends = simulate(model, iterations: 1)[0].map(\.end)
        #expect(ends.max() == model.total, "\(model)")
    }

    @Test("takes (T_a + T_e + 2 T_c) + T_f (m L - 1) when it is full", arguments: UInt64(0)..<200)
    func formula(number: UInt64) {
        let model = random(number)
        guard Double(model.microBatches) >= model.saturation else { return }
        let trip = model.attention + model.experts + model.dispatch + model.combine
        #expect(model.total == trip + max(model.attention, model.experts) * Int64(model.microBatches * model.layers - 1))
    }

    @Test(
        "has iterations of a micro-batch between its two bounds, the lower one reached at first and the upper one on end", arguments: UInt64(0)..<200)
    func bounds(number: UInt64) {
        let model = random(number)
        let spans = simulate(model, iterations: 12)
        #expect(spans[0][0].end - spans[0][0].start == model.iterationBounds.lowerBound, "\(model)")
        for iteration in 1..<spans.count {
            // From token to token.
            let period = spans[iteration][0].end - spans[iteration - 1][0].end
            #expect(model.iterationBounds.contains(period), "\(model)")
            #expect(period == model.iterationBounds.upperBound, "\(model)")
        }
    }

    @Test("keeps its slowest side busy from m = 2 (1 + T_c / T_f) on, and by m over that before", arguments: UInt64(0)..<50)
    func saturation(number: UInt64) {
        var model = random(number, balanced: true)
        model.combine = model.dispatch
        let expected = 2 * (1 + Double(model.dispatch) / Double(model.attention))
        #expect(abs(model.saturation - expected) < 1e-9)
        for parts in 1...8 {
            model.microBatches = parts
            #expect(abs(model.utilization - min(1, Double(parts) / expected)) < 1e-9)
        }
    }

    @Test("passes no faster than its ports, and hides what is computed while tokens are under way")
    func portsAndShared() {
        let model = PipelineModel(attention: 100, experts: 100, dispatch: 300, combine: 300, port: 250, layers: 10, microBatches: 4)
        #expect(model.bottleneck == 250)
        #expect(model.total == 800 + 250 * 39)
        let shared = PipelineModel(attention: 100, hidden: 40, experts: 50, dispatch: 10, combine: 10, layers: 3, microBatches: 1)
        #expect(shared.total == 3 * (60 + 70))
        let long = PipelineModel(attention: 100, hidden: 90, experts: 50, dispatch: 10, combine: 10, layers: 3, microBatches: 1)
        #expect(long.total == 3 * 100)
    }
}

@Suite("Bisection")
struct BisectionTests {
    @Test("finds the last good and the first good number of every range")
    func ends() {
        for limit in 1...20 {
            for edge in 0...limit + 1 {
                let largest = Bisection.largest(in: 1...limit) { $0 <= edge }
                #expect(largest == (edge >= 1 ? min(edge, limit) : nil))
                let smallest = Bisection.smallest(in: 1...limit) { $0 >= edge }
                #expect(smallest == (edge <= limit ? max(edge, 1) : nil))
            }
        }
    }
}

@Suite("The waiting time at a server with equal services")
struct WaitingTimeTests {
    @Test("is none with the probability that nobody is served, and has the mean of Pollaczek and Khinchine", arguments: [0.1, 0.5, 0.8, 0.9])
    func closedForms(load: Double) {
        var queue = WaitingTime(service: 2, rate: load / 2)
        #expect(abs(queue.probability(within: 0) - (1 - load)) < 1e-12)
        // The mean is the area above the distribution.
        var area = 0.0
        let step = 0.01
        var place = step / 2
        while place < 400 {
            area += (1 - queue.probability(within: place)) * step
            place += step
        }
        #expect(abs(area - queue.mean) < 0.002 * max(1, queue.mean), "\(area) \(queue.mean)")
    }

    @Test("is what customers of a simulated queue wait", arguments: [0.3, 0.7, 0.9])
    func simulated(load: Double) {
        var random = RandomStream(seed: 4, stream: 11)
        var queue = WaitingTime(service: 1, rate: load)
        var wait = 0.0
        let bounds = [0.2, 0.9, 1.5, 3.3, 6.0]
        var within = bounds.map { _ in 0 }
        let count = 400_000
        for _ in 0..<count {
            for (place, bound) in bounds.enumerated() where wait <= bound { within[place] += 1 }
            wait = max(0, wait + 1 + naturalLog(random.positiveUnit()) / load)
        }
        for (place, bound) in bounds.enumerated() {
            #expect(abs(queue.probability(within: bound) - Double(within[place]) / Double(count)) < 0.012, "\(load) \(bound)")
        }
    }
}
