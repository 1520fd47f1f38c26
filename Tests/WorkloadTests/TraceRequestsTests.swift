import Quantities
import Testing
import Workload

private let source = TraceSource(path: "x", format: .azure)

private func offer(_ rows: [TraceRow], _ change: (inout WorkloadPlan) -> Void = { _ in }) -> [RequestSpec] {
    var plan = WorkloadPlan(arrivals: .trace(source))
    change(&plan)
    return requests(TraceRequests(plan, rows: rows.makeIterator()))
}

private let rows = [
    TraceRow(time: 1_700_158_623_979_960_000, promptTokens: 100, outputTokens: 3),
    TraceRow(time: 1_700_158_623_979_960_000, promptTokens: 1, outputTokens: 1),
    TraceRow(time: 1_700_158_624_979_960_001, promptTokens: 7, outputTokens: 900, blockHashes: [1]),
]

@Test("the first request of a trace arrives at 0 and the others as long after it as recorded, to the nanosecond")
func traceArrivalsAreRelative() {
    let found = offer(rows)
    #expect(found.map(\.arrival) == [0, 0, 1_000_000_001])
    #expect(found.map(\.id) == [0, 1, 2])
    #expect(found.map(\.promptTokens) == [100, 1, 7])
    #expect(found.map(\.outputTokens) == [3, 1, 900])
}

@Test("a trace's times, prompts and outputs scale apart from one another")
func traceScales() {
    #expect(offer(rows) { $0.rateScale = 2 }.map(\.arrival) == [0, 0, 500_000_001])
    #expect(offer(rows) { $0.rateScale = 0.5 }.map(\.arrival) == [0, 0, 2_000_000_002])
    #expect(offer(rows) { $0.promptScale = 0.25 }.map(\.promptTokens) == [25, 1, 2])
    #expect(offer(rows) { $0.promptScale = 0.25 }.map(\.outputTokens) == [3, 1, 900])
    #expect(offer(rows) { $0.outputScale = 1.5 }.map(\.outputTokens) == [5, 2, 1_350])
}

@Test("a trace ends at the request limit, at the scaled duration, and stays ended")
func traceLimits() {
    #expect(offer(rows) { $0.requestLimit = 2 }.count == 2)
    #expect(offer(rows) { $0.duration = 1_000_000_000 }.count == 2)
    #expect(offer(rows) { $0.duration = 1_000_000_001 }.count == 3)
    #expect(offer(rows) { ($0.duration, $0.rateScale) = (500_000_001, 2) }.count == 3)
    #expect(offer([]).isEmpty)
    let back = rows + [rows[0]]
    let ended = TraceRequests(WorkloadPlan(arrivals: .trace(source), duration: 5), rows: back.makeIterator())
    #expect(requests(ended).count == 2)
    #expect(ended.next() == nil)
}

@Test("a row before its predecessor arrives with it, and no rate scale traps")
func traceStaysMonotone() {
    let back = [rows[2], rows[0], TraceRow(time: rows[2].time + 5, promptTokens: 1, outputTokens: 1)]
    #expect(offer(back).map(\.arrival) == [0, 0, 5])
    for scale in [0, -1, .nan, .infinity, 1e-300] { #expect(offer(rows) { $0.rateScale = scale }.count >= 2) }
}
