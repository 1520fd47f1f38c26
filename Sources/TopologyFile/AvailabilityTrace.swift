import Cluster
import Quantities

/// A recorded trace of which nodes were there: a CSV file with the header `time_s,node,event`, a row for each change in order of time.
///
/// `notice` announces a `down`, which `up` ends: a kill with a restart, or a preemption with its grace period.
struct AvailabilityTrace {
    static let header = "time_s,node,event"
    static let summary = "A recorded availability trace, relative to this file: CSV \(header), with the events down, up and notice."

    /// A fault that the trace shows, and the row that it begins with.
    struct Event {
        var fault: FaultSpec
        var mark: Mark
    }

    let events: [Event]

    private static var path: Codec<String> {
        .text("the path of an availability trace (CSV: \(header))") { !$0.isEmpty && $0.utf8.count <= 4_096 && !$0.utf8.contains(0) }
    }

    /// A file by its path. It is never written: its events are.
    static var codec: Codec<AvailabilityTrace> {
        Codec(
            schema: path.schema,
            read: { node, _, reading in
                guard let file = path.read(node, nil, reading) else { return nil }
                let full = FilePath.resolve(file, in: reading.directory(of: node.mark))
                if let problem = SourceFile.problem(full) {
                    reading.report(node.mark, "\(problem) at \(quoted(file)), expected an availability trace" + SourceFile.neighbour(of: full))
                    return nil
                }
                return read(full, reading)
            },
            write: { _ in nil })
    }

    /// Reads a file; `nil` after a report.
    private static func read(_ path: String, _ reading: Reading) -> AvailabilityTrace? {
        var changes = Changes()
        let what = "an availability trace"
        let source = TableFile.read(path, header: header, what: what, rowLimit: 2 * FaultGrammar.limit, reading) { row, file in
            changes.take(row, &file)
        }
        guard let source else { return nil }
        return AvailabilityTrace(events: changes.events(source, reading))
    }

    /// What is known of each node while rows are read.
    private struct Changes {
        private struct Row {
            var time: Instant
            var line: Int
        }

        /// A node's absence: it may have been announced, and may end.
        private struct Absence {
            var target: String
            var notice: Row?
            var down: Row?
            var up: Row?
        }

        private var absences: [Absence] = []
        /// By node, its absence that has not ended.
        private var open: [String: Int] = [:]
        private var last: Instant = 0

        mutating func take(_ row: TableFile.Row, _ file: inout TableFile) {
            func text(_ field: Int) -> String { String(decoding: row.fields[field], as: UTF8.self) }
            let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
            guard row.fields[0].allSatisfy({ digits.contains($0) || $0 == UInt8(ascii: ".") }),
                let time = try? UnitScale.duration.parse(text(0) + "s"), FaultGrammar.span.contains(time)
            else {
                return file.fail(row, 0, "a time in seconds above 0, at most 36000000")
            }
            guard time >= last else { return file.fail(row, 0, "a time no earlier than that of the row before") }
            last = time
            let node = text(1)
            guard !node.isEmpty, node.utf8.count <= 64 else { return file.fail(row, 1, "the name of a node, a host or a rack") }
            let here = Row(time: time, line: row.line)
            let current = open[node]
            switch text(2) {
            case "notice":
                guard current == nil else { return file.fail(row, 2, "no notice: the node is down, or has one") }
                open[node] = absences.count
                absences.append(Absence(target: node, notice: here))
            case "down":
                guard let current else {
                    open[node] = absences.count
                    return absences.append(Absence(target: node, down: here))
                }
                guard absences[current].down == nil, let notice = absences[current].notice else { return file.fail(row, 2, "up: the node is down") }
                guard time > notice.time else { return file.fail(row, 0, "a time after that of the notice") }
                absences[current].down = here
            case "up":
                guard let current, let down = absences[current].down else { return file.fail(row, 2, "down or notice: the node is up") }
                guard time > down.time else { return file.fail(row, 0, "a time after the node was down") }
                absences[current].up = here
                open[node] = nil
            default: file.fail(row, 2, "down, up or notice")
            }
        }

        func events(_ source: Int32, _ reading: Reading) -> [Event] {
            absences.compactMap { absence in
                guard let first = absence.notice ?? absence.down else { return nil }
                let mark = Mark(source: source, line: Int32(clamping: first.line))
                guard let down = absence.down else {
                    reading.report(mark, "found a notice to \(quoted(absence.target)) and no 'down' after it, expected one")
                    return nil
                }
                let restart = absence.up.map { $0.time - down.time }
                let kind: FaultKind = absence.notice.map { .preempt(grace: down.time - $0.time, restart: restart) } ?? .kill(restart: restart)
                return Event(fault: FaultSpec(at: first.time, kind: kind, targets: [.node(absence.target)]), mark: mark)
            }
        }
    }
}
