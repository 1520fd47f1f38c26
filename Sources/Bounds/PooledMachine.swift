import Quantities

/// Work for one machine that stands for many.
public struct PooledJob: Sendable, Equatable {
    /// When it may begin.
    public var release: Double
    /// Time that one machine of speed 1 takes.
    public var work: Double

    public init(release: Double, work: Double) {
        self.release = release
        self.work = work
    }
}

/// One machine as fast as all of a cluster's together, which may be interrupted at any time: what it cannot do, no cluster can.
public enum PooledMachine {
    /// The least sum of ends: shortest remaining work first (Schrage 1968). Takes `n log n`.
    /// - Parameter speed: above 0.
    public static func leastTotalEnd(_ jobs: [PooledJob], speed: Double) -> Double {
        serve(jobs, speed: speed, key: { $1 }).ends
    }

    /// The least sum of mean busy times (the mean time at which a job's work is done): smallest total work first, interrupted by arrivals of smaller ones
    /// (Goemans 1997).
    public static func leastTotalMeanBusyTime(_ jobs: [PooledJob], speed: Double) -> Double {
        serve(jobs, speed: speed, key: { job, _ in job.work }).busy
    }

    private struct Entry {
        var key: Double
        var job: Int
    }

    /// Serves the available job with the least key, which may depend on the job and on what is left of it.
    private static func serve(_ jobs: [PooledJob], speed: Double, key: (PooledJob, Double) -> Double) -> (ends: Double, busy: Double) {
        let order = jobs.indices.sorted { (jobs[$0].release, $0) < (jobs[$1].release, $1) }
        var left = jobs.map { max(0, $0.work) / speed }
        var heap = MinimumHeap<Entry> { ($0.key, $0.job) < ($1.key, $1.job) }
        var (next, clock, ends, busy) = (0, 0.0, 0.0, 0.0)
        while next < order.count || !heap.isEmpty {
            if heap.isEmpty { clock = max(clock, jobs[order[next]].release) }
            while next < order.count, jobs[order[next]].release <= clock {
                heap.push(Entry(key: key(jobs[order[next]], left[order[next]]), job: order[next]))
                next += 1
            }
            guard let entry = heap.pop() else { break }
            let until = next < order.count ? jobs[order[next]].release : .infinity
            let end = clock + left[entry.job]
            let stop = min(end, until)
            let whole = max(jobs[entry.job].work, 0) / speed
            if whole > 0 { busy += (stop - clock) / whole * (clock + stop) / 2 } else { busy += clock }
            if end <= until {
                ends += end
                left[entry.job] = 0
            } else {
                left[entry.job] = end - stop
                heap.push(Entry(key: key(jobs[entry.job], left[entry.job]), job: entry.job))
            }
            clock = stop
        }
        return (ends, busy)
    }
}

/// A heap with the least entry on top.
struct MinimumHeap<Element> {
    private var entries: [Element] = []
    private let precedes: (Element, Element) -> Bool

    init(precedes: @escaping (Element, Element) -> Bool) { self.precedes = precedes }

    var isEmpty: Bool { entries.isEmpty }

    mutating func push(_ element: Element) {
        entries.append(element)
        var place = entries.count - 1
        while place > 0, precedes(entries[place], entries[(place - 1) / 2]) {
            entries.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    mutating func pop() -> Element? {
        guard let first = entries.first, let last = entries.popLast() else { return nil }
        guard !entries.isEmpty else { return first }
        entries[0] = last
        var place = 0
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < entries.count && precedes(entries[child], entries[least]) { least = child }
            if least == place { return first }
            entries.swapAt(place, least)
            place = least
        }
    }
}
