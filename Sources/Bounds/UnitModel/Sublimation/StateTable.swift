/// What a node of a refined graph stands for.
struct PartialSchedule: Equatable {
    /// Node of the coarser graph.
    var coarse: Int32
    /// Newly counted requests that have started, a bit each.
    var started: UInt64
    /// Packed requests under way.
    var running: RunningSet

    var mixed: UInt64 {
        var value = (running.mixed ^ started) &* 0xBF58_476D_1CE4_E5B9 ^ UInt64(UInt32(bitPattern: coarse)) &* 0x9E37_79B9_7F4A_7C15
        value ^= value >> 32
        return value
    }
}

/// Partial schedules of a round with the least cost of each, in the order in which they came: the same on every machine.
struct StateTable {
    private(set) var states: [PartialSchedule] = []
    private(set) var costs: [Double] = []
    /// Open addressing: places in `states`, -1 for none.
    private var slots = Array(repeating: Int32(-1), count: 64)

    var count: Int { states.count }

    /// Takes a state in, or lowers the cost of the one that is there. Answers its place.
    @discardableResult
    mutating func insert(_ state: PartialSchedule, cost: Double) -> Int {
        if 2 * states.count >= slots.count { resize(4 * slots.count) }
        let slot = slot(of: state)
        let place = Int(slots[slot])
        if place >= 0 {
            if cost < costs[place] { costs[place] = cost }
            return place
        }
        slots[slot] = Int32(states.count)
        states.append(state)
        costs.append(cost)
        return states.count - 1
    }

    /// Empties it; it stays about as large as it was needed last.
    mutating func removeAll() {
        var size = 64
        while size < 2 * states.count { size *= 2 }
        slots = Array(repeating: -1, count: size)
        states.removeAll(keepingCapacity: true)
        costs.removeAll(keepingCapacity: true)
    }

    private func slot(of state: PartialSchedule) -> Int {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: state.mixed) & mask
        while slots[slot] >= 0, states[Int(slots[slot])] != state { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func resize(_ size: Int) {
        slots = Array(repeating: -1, count: size)
        for (place, state) in states.enumerated() { slots[slot(of: state)] = Int32(place) }
    }
}
