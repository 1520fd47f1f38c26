import Quantities

/// A measured table made ready for look-ups.
///
/// Prefill: linear in the tokens between rows. Decode: linear in the requests between the rows of a context and then linear in the mean
/// context between contexts. Below the first row: its time (a small batch still reads all weights). Beyond the last one: along the last
/// slope or in proportion to the size, whichever is longer, so that extrapolation never promises more than the largest batch measured.
/// Beyond the contexts measured: that of the nearest, and in proportion above the last.
struct MeasuredTimes: Sendable, Equatable {
    /// A batch of prompts and decoding requests takes this times the time of as many prompt tokens (Splitwise's simulator).
    static let mixedFactor = 1.1

    /// Least time of any batch in the phase; `nil` without rows.
    let minimumPrefill: Double?
    let minimumDecode: Double?
    private let prefillCurve: Curve
    /// Curves by context, smallest first.
    private let decodeCurves: [(context: Double, curve: Curve)]

    init(_ table: MeasuredTable) {
        prefillCurve = Curve(table.prefill)
        let contexts = Set(table.decode.map(\.context)).sorted()
        decodeCurves = contexts.map { context in (Double(context), Curve(table.decode.filter { $0.context == context })) }
        minimumPrefill = table.prefill.map(\.time).min().map { Double(max(0, $0)) }
        minimumDecode = table.decode.map(\.time).min().map { Double(max(0, $0)) }
    }

    static func == (left: Self, right: Self) -> Bool {
        left.prefillCurve == right.prefillCurve && left.decodeCurves.elementsEqual(right.decodeCurves, by: ==)
    }

    /// Time in nanoseconds of a prompt of so many tokens; `nil` without rows.
    func prefill(tokens: Int64) -> Double? { prefillCurve.time(Double(tokens)) }

    /// Time in nanoseconds of the decoding requests of a batch; `nil` without rows.
    func decode(_ batch: BatchShape) -> Double? {
        guard let last = decodeCurves.last else { return nil }
        let size = Double(batch.decodeRequests)
        let context = Double(batch.decodeContext) / size
        guard decodeCurves.count > 1 else { return last.curve.time(size) }
        if context >= last.context {
            let time = last.curve.time(size)
            return last.context > 0 ? time.map { $0 * (context / last.context) } : time
        }
        guard let upper = decodeCurves.firstIndex(where: { $0.context > context }), upper > 0 else {
            return decodeCurves.first.flatMap { $0.curve.time(size) }
        }
        let (low, high) = (decodeCurves[upper - 1], decodeCurves[upper])
        guard let start = low.curve.time(size), let end = high.curve.time(size) else { return nil }
        return interpolated(start, end, at: (context - low.context) / (high.context - low.context))
    }
}

/// Times by size, linear between rows.
private struct Curve: Sendable, Equatable {
    private var sizes: [Double] = []
    private var times: [Double] = []

    /// Rows of the same size count once, with their median (the lower one of an even number).
    init(_ rows: [MeasuredTable.Row]) {
        let rows = rows.sorted { ($0.size, $0.time) < ($1.size, $1.time) }
        var first = 0
        while first < rows.count {
            let end = rows[first...].firstIndex { $0.size != rows[first].size } ?? rows.count
            sizes.append(Double(rows[first].size))
            times.append(Double(max(0, rows[(first + end - 1) / 2].time)))
            first = end
        }
    }

    /// `nil` without rows.
    func time(_ size: Double) -> Double? {
        guard let lastSize = sizes.last, let lastTime = times.last else { return nil }
        if size <= sizes[0] { return times[0] }
        if size >= lastSize { return extrapolated(size, lastSize, lastTime) }
        var (low, high) = (0, sizes.count - 1)
        while high - low > 1 {
            let middle = (low + high) / 2
            if sizes[middle] <= size { low = middle } else { high = middle }
        }
        return interpolated(times[low], times[high], at: (size - sizes[low]) / (sizes[high] - sizes[low]))
    }

    private func extrapolated(_ size: Double, _ lastSize: Double, _ lastTime: Double) -> Double {
        let proportional = lastSize > 0 ? lastTime * (size / lastSize) : lastTime
        guard sizes.count > 1 else { return proportional }
        let slope = (lastTime - times[times.count - 2]) / (lastSize - sizes[sizes.count - 2])
        return max(proportional, lastTime + slope * (size - lastSize))
    }
}

/// Between two values, never outside of them whatever the rounding.
@inline(__always)
private func interpolated(_ start: Double, _ end: Double, at part: Double) -> Double {
    let value = start + (end - start) * part
    return min(max(value, min(start, end)), max(start, end))
}
