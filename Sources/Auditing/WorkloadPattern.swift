import Quantities
import Workload

/// A workload that repeats a short sequence of requests: what a search for bad workloads changes.
public struct WorkloadPattern: Sendable, Equatable {
    /// A request and the time to the next one.
    public struct Slot: Sendable, Equatable {
        /// Tokens.
        public var prompt: Int
        public var output: Int
        /// Milliseconds.
        public var gap: Int

        public init(prompt: Int, output: Int, gap: Int) {
            self.prompt = prompt
            self.output = output
            self.gap = gap
        }
    }

    public var slots: [Slot]

    public init(_ slots: [Slot]) { self.slots = slots }

    private static let prompts = [16, 128, 512, 2_048, 8_192, 16_384]
    private static let outputs = [1, 8, 64, 256, 1_024]
    private static let gaps = [0, 5, 10, 20, 50, 100, 200, 500]
    /// Most slots.
    private static let longest = 12

    /// The requests of as many repetitions as it takes.
    public func requests(_ count: Int) -> [RequestSpec] {
        guard !slots.isEmpty else { return [] }
        var arrival: Instant = 0
        return (0..<count).map { number in
            let slot = slots[number % slots.count]
            defer { arrival += Instant(slot.gap) * 1_000_000 }
            return RequestSpec(
                id: Int64(number), arrival: arrival, promptTokens: Int32(clamping: slot.prompt), outputTokens: Int32(clamping: slot.output))
        }
    }

    /// Patterns to begin with: one long request in each round of turns, giants before small ones, and random ones.
    public static func starts(_ count: Int, _ random: inout RandomStream) -> [WorkloadPattern] {
        let small = Slot(prompt: 128, output: 64, gap: 20)
        var patterns = [
            WorkloadPattern([Slot(prompt: 2_048, output: 256, gap: 20)] + Array(repeating: small, count: 3)),
            WorkloadPattern([Slot(prompt: 16_384, output: 8, gap: 0)] + Array(repeating: small, count: 7)),
            WorkloadPattern([Slot(prompt: 128, output: 1_024, gap: 20), Slot(prompt: 8_192, output: 1, gap: 20)]),
        ]
        while patterns.count < count {
            patterns.append(WorkloadPattern((0..<(2 + random.below(7))).map { _ in slot(&random) }))
        }
        return Array(patterns.prefix(count))
    }

    private static func slot(_ random: inout RandomStream) -> Slot {
        Slot(
            prompt: prompts[random.below(prompts.count)], output: outputs[random.below(outputs.count)], gap: gaps[random.below(gaps.count)])
    }

    /// The pattern with one or two small changes.
    public func changed(_ random: inout RandomStream) -> WorkloadPattern {
        var changed = self
        for _ in 0..<(1 + random.below(2)) { changed.change(&random) }
        return changed
    }

    private mutating func change(_ random: inout RandomStream) {
        let place = random.below(slots.count)
        switch random.below(7) {
        case 0: slots[place].prompt = Self.prompts[random.below(Self.prompts.count)]
        case 1: slots[place].output = Self.outputs[random.below(Self.outputs.count)]
        case 2: slots[place].gap = Self.gaps[random.below(Self.gaps.count)]
        case 3 where slots.count < Self.longest: slots.insert(slots[random.below(slots.count)], at: place)
        case 4 where slots.count > 1: slots.remove(at: place)
        case 5: slots.swapAt(place, random.below(slots.count))
        case 6:
            let isSlower = random.below(2) == 0
            for place in slots.indices { slots[place].gap = isSlower ? min(slots[place].gap * 3 / 2 + 1, 2_000) : slots[place].gap * 2 / 3 }
        default: slots[place] = Self.slot(&random)
        }
    }
}
