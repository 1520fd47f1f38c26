import Quantities

/// A time for each node, with the earliest of all at hand: a tournament whose inner places hold the earlier of two.
struct EarliestTimes: Sendable {
    private var times: [Instant]
    private let leaves: Int

    /// - Parameter count: number of nodes; each starts out with `time`.
    init(count: Int, time: Instant) {
        var leaves = 1
        while leaves < count { leaves *= 2 }
        self.leaves = leaves
        times = Array(repeating: .never, count: 2 * leaves)
        for node in 0..<count { self[node] = time }
    }

    /// The earliest of all.
    var first: Instant { times[1] }

    /// The time of a node. Setting takes a step for each doubling of the number of nodes, none when nothing changes.
    subscript(node: Int) -> Instant {
        @inline(__always) get { times[leaves + node] }
        set {
            var place = leaves + node
            guard times[place] != newValue else { return }
            times[place] = newValue
            while place > 1 {
                place >>= 1
                let earlier = min(times[2 * place], times[2 * place + 1])
                if times[place] == earlier { return }
                times[place] = earlier
            }
        }
    }

    /// Appends the nodes whose time is before `bound`, in order.
    func appendNodes(before bound: Instant, to nodes: inout [Int], from place: Int = 1) {
        guard times[place] < bound else { return }
        if place >= leaves {
            nodes.append(place - leaves)
        } else {
            appendNodes(before: bound, to: &nodes, from: 2 * place)
            appendNodes(before: bound, to: &nodes, from: 2 * place + 1)
        }
    }
}
