import Quantities
import Workload

/// Reads the rows of a trace file in order, in constant memory.
///
/// Blank lines are passed over. A row without output tokens is a failed request (BurstGPT): it is counted as skipped. A
/// prompt of 0 tokens counts as 1, since every model starts from at least one. A row before its predecessor is broken.
final class TraceReader: IteratorProtocol {
    /// What to do at a broken line.
    enum Mode {
        /// Stop there.
        case stop
        /// Remember it and go on.
        case collect
        /// Count it and go on.
        case skip
    }

    private let lines: LineReader
    private let mode: Mode
    private var format: any TraceFormatReader
    private var awaitsHeader: Bool
    private var previous: Int64 = 0
    private var diagnostics: [TraceDiagnostic] = []
    private var ended = false

    /// Broken lines so far.
    private(set) var badLines = 0
    /// Failed requests so far.
    private(set) var skipped = 0

    /// - Throws: a diagnostic when the file cannot be opened.
    init(_ source: TraceSource, mode: Mode) throws(TraceDiagnostic) {
        lines = try LineReader(path: source.path)
        self.mode = mode
        format = source.format.makeReader()
        awaitsHeader = format.hasHeader
    }

    /// What went wrong so far.
    var failure: TraceError? {
        diagnostics.isEmpty ? nil : TraceError(diagnostics, omitted: max(0, badLines - TraceError.reported))
    }

    /// The next row, or `nil` after the last one, or when the file cannot be read further: then `failure` says why.
    func next() -> TraceRow? {
        while !ended {
            do throws(TraceDiagnostic) {
                guard let item = try lines.next() else { break }
                do throws(LineProblem) {
                    if let row = try row(from: item) { return row }
                } catch {
                    note(error)
                }
            } catch {
                diagnostics.append(error)
                ended = true
            }
        }
        if !ended, awaitsHeader {
            diagnostics.append(place(LineProblem(offset: 0, found: "no line", expected: "a header")))
        }
        ended = true
        return nil
    }

    /// The row of a line, or `nil` when it holds none.
    private func row(from item: LineReader.Item) throws(LineProblem) -> TraceRow? {
        guard case .line(let line) = item else {
            throw LineProblem(offset: 0, found: "a longer line", expected: "at most \(LineReader.longestLine) bytes")
        }
        guard line.contains(where: { $0 != 0x20 && $0 != 0x09 }) else { return nil }
        if awaitsHeader {
            try format.readHeader(line)
            awaitsHeader = false
            return nil
        }
        var row = try format.readRow(line)
        guard row.time >= previous else {
            let gap = Double(previous - row.time) / 1e9
            throw LineProblem(offset: 0, found: "a time \(gap) s before the one above", expected: "rows in order of time")
        }
        previous = row.time
        guard row.outputTokens > 0 else {
            skipped += 1
            return nil
        }
        row.promptTokens = max(1, row.promptTokens)
        return row
    }

    private func note(_ problem: LineProblem) {
        // Without a header nothing that follows can be understood.
        if awaitsHeader {
            diagnostics.append(place(problem))
            ended = true
            return
        }
        badLines += 1
        if mode != .skip, badLines <= TraceError.reported { diagnostics.append(place(problem)) }
        if mode == .stop { ended = true }
    }

    private func place(_ problem: LineProblem) -> TraceDiagnostic {
        TraceDiagnostic(
            path: lines.path, line: max(1, lines.line), column: problem.offset + 1, found: problem.found, expected: problem.expected)
    }
}
