import Quantities

/// A measured table made ready for lookup.
///
/// Prefill: piecewise linear in the tokens of the batch. Decode: bilinear in requests and mean context. Repeated rows count as their median.
/// Times are raised to their running maximum along both axes, so that a larger batch never takes less and the first cell bounds all others from
/// below. Under the first row the time stays as it is there. Beyond the last one it follows the last segment; a prefill grows at least in
/// proportion, a decode with a single size in proportion, and a table with a single context does not depend on context.
struct MeasuredLookup: Sendable {
    private let prompt: Curve?
    private let decode: Surface?

    init(_ table: MeasuredTable) {
        prompt = Curve(medians(table.prefill.map { MeasuredTable.Row(size: $0.size, context: 0, time: $0.time) }))
        decode = Surface(medians(table.decode))
    }

    /// The least time of a prefill; `nil` when the table has none.
    var leastPrefillTime: Nanoseconds? { prompt.map { nanoseconds(fromNanoseconds: $0.time[0]) } }

    /// The least time of a decode; `nil` when the table has none.
    var leastDecodeTime: Nanoseconds? { decode.map { nanoseconds(fromNanoseconds: $0.time[0]) } }

    /// The time of a prefill of `tokens` tokens.
    func prefillTime(tokens: Int64) -> Nanoseconds? {
        prompt.map { nanoseconds(fromNanoseconds: $0.value(Double(tokens))) }
    }

    /// The time of a decode of `requests` requests with `context` tokens of cache in all.
    func decodeTime(requests: Int64, context: Int64) -> Nanoseconds? {
        decode.map { nanoseconds(fromNanoseconds: $0.value(size: Double(requests), context: Double(context) / Double(requests))) }
    }

    /// The least time a token of a prefill of up to `limit` tokens, in nanoseconds; `nil` when the table has none.
    ///
    /// Between two rows time is linear in the size, so that time by size is least at one of them, or at the limit.
    func leastPrefillRate(limit: Int64) -> Double? {
        guard let prompt else { return nil }
        let sizes = prompt.size.filter { $0 >= 1 && $0 <= Double(limit) } + [Double(max(1, limit))]
        return sizes.map { max(0, prompt.value($0) - 0.5) / $0 }.min()
    }

    /// The least time a request of a decode of up to `limit` requests, in nanoseconds; `nil` when the table has none.
    func leastDecodeRate(limit: Int64) -> Double? {
        guard let decode else { return nil }
        let sizes = decode.sizes.filter { $0 >= 1 && $0 <= Double(limit) } + [1, Double(max(1, limit))]
        return sizes.map { max(0, decode.value(size: $0, context: 0) - 0.5) / $0 }.min()
    }

    /// Time against batch size.
    private struct Curve {
        let size: [Double]
        let time: [Double]
        /// Growth beyond the last row, nanoseconds a token.
        let slope: Double

        init?(_ rows: [MeasuredTable.Row]) {
            guard let last = rows.last else { return nil }
            size = rows.map { Double($0.size) }
            time = runningMaximum(rows.map { Double($0.time) })
            let end = rows.count - 1
            let proportional = time[end] / Double(max(last.size, 1))
            slope = end > 0 ? max((time[end] - time[end - 1]) / (size[end] - size[end - 1]), proportional) : proportional
        }

        func value(_ x: Double) -> Double {
            let place = bracket(x, size)
            if place.beyond > 0 { return time[place.index] + place.beyond * slope }
            guard place.share > 0 else { return time[place.index] }
            return time[place.index] + (time[place.index + 1] - time[place.index]) * place.share
        }
    }

    /// Time on a grid of batch sizes and contexts, row by row of equal size.
    private struct Surface {
        let sizes: [Double]
        let contexts: [Double]
        let time: [Double]

        /// Most cells of the grid: a table with as many contexts as rows must not take the square of them.
        private static let cellLimit = 1 << 18

        init?(_ rows: [MeasuredTable.Row]) {
            guard !rows.isEmpty else { return nil }
            sizes = Set(rows.map(\.size)).sorted().map(Double.init)
            contexts = Self.thinned(Set(rows.map(\.context)).sorted().map(Double.init), to: max(2, Self.cellLimit / sizes.count))
            var grid: [Double] = []
            grid.reserveCapacity(sizes.count * contexts.count)
            var start = 0
            while start < rows.count {
                let end = rows[start...].firstIndex { $0.size != rows[start].size } ?? rows.count
                let known = rows[start..<end].map { Double($0.context) }
                let measured = runningMaximum(rows[start..<end].map { Double($0.time) })
                for (column, context) in contexts.enumerated() {
                    var value = Self.alongContext(context, known, measured)
                    if column > 0 { value = max(value, grid[grid.count - 1]) }
                    if start > 0 { value = max(value, grid[grid.count - contexts.count]) }
                    grid.append(value)
                }
                start = end
            }
            time = grid
        }

        func value(size: Double, context: Double) -> Double {
            let place = bracket(size, sizes)
            let low = row(place.index, context)
            if place.beyond > 0 {
                guard place.index > 0 else { return low * size / max(sizes[0], 1) }
                let before = row(place.index - 1, context)
                return low + max(low - before, 0) / (sizes[place.index] - sizes[place.index - 1]) * place.beyond
            }
            guard place.share > 0 else { return low }
            return low + max(row(place.index + 1, context) - low, 0) * place.share
        }

        private func row(_ index: Int, _ context: Double) -> Double {
            let base = index * contexts.count
            let place = bracket(context, contexts)
            let low = time[base + place.index]
            if place.beyond > 0 {
                guard place.index > 0 else { return low }
                let step = contexts[place.index] - contexts[place.index - 1]
                return low + (low - time[base + place.index - 1]) / step * place.beyond
            }
            guard place.share > 0 else { return low }
            return low + (time[base + place.index + 1] - low) * place.share
        }

        /// At most `count` of the contexts (2 or more), evenly picked, with the first and the last.
        private static func thinned(_ contexts: [Double], to count: Int) -> [Double] {
            guard contexts.count > count else { return contexts }
            return (0..<count).map { contexts[$0 * (contexts.count - 1) / (count - 1)] }
        }

        private static func alongContext(_ context: Double, _ known: [Double], _ time: [Double]) -> Double {
            let place = bracket(context, known)
            let low = time[place.index]
            if place.beyond > 0 {
                guard place.index > 0 else { return low }
                return low + (low - time[place.index - 1]) / (known[place.index] - known[place.index - 1]) * place.beyond
            }
            return place.share > 0 ? low + (time[place.index + 1] - low) * place.share : low
        }
    }
}

/// Where `x` lies among ascending `knots`: the last knot not above it (or the first), the share of the way to the next, and how far beyond the
/// last it lies.
@inline(__always)
private func bracket(_ x: Double, _ knots: [Double]) -> (index: Int, share: Double, beyond: Double) {
    let last = knots.count - 1
    if x >= knots[last] { return (last, 0, x - knots[last]) }
    if x <= knots[0] { return (0, 0, 0) }
    var low = 0
    var high = last
    while high - low > 1 {
        let middle = (low + high) >> 1
        if knots[middle] <= x { low = middle } else { high = middle }
    }
    return (low, (x - knots[low]) / (knots[low + 1] - knots[low]), 0)
}

/// Rows by size, then context, each pair once with the median of its times.
private func medians(_ rows: [MeasuredTable.Row]) -> [MeasuredTable.Row] {
    let sorted = rows.sorted { ($0.size, $0.context, $0.time) < ($1.size, $1.context, $1.time) }
    var result: [MeasuredTable.Row] = []
    var start = 0
    while start < sorted.count {
        let first = sorted[start]
        let end = sorted[start...].firstIndex { $0.size != first.size || $0.context != first.context } ?? sorted.count
        result.append(sorted[start + (end - start) / 2])
        start = end
    }
    return result
}

private func runningMaximum(_ values: [Double]) -> [Double] {
    var highest = 0.0
    return values.map {
        highest = max(highest, $0)
        return highest
    }
}
