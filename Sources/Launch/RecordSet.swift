import Cluster
import Quantities
import Records
import Transport

/// A record of the run that is being written, with its digest.
final class RecordFile {
    let name: String
    private let file: OutputFile
    private let hash = Digest()

    /// Makes the file and writes its header line.
    init(folder: RunFolder, name: String, header: String) throws {
        self.name = name
        file = try OutputFile(folder.path + "/" + name)
        try Array(header.utf8).withUnsafeBytes { try write($0) }
    }

    /// Bytes written.
    var size: Int64 { file.size }

    /// The digest of what was written so far.
    var digest: String { hash.hexadecimal }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        hash.update(bytes)
        try file.write(bytes)
    }
}

/// The records of a run: rows by the time of their event, then by node.
final class RecordSet {
    let requests: RecordFile
    let iterations: RecordFile?
    let messages: RecordFile?
    let layers: RecordFile?
    /// Made with the first row: runs in which nothing fails have none.
    private(set) var restarts: RecordFile?
    /// The same, of runs in which nothing moves.
    private(set) var migrations: RecordFile?
    /// Of runs in which something went wrong.
    private(set) var throughput: RecordFile?
    private let folder: RunFolder

    init(folder: RunFolder, records: RecordPlan) throws {
        self.folder = folder
        requests = try RecordFile(folder: folder, name: "requests.csv", header: RequestRow.header)
        iterations = records.iterations ? try RecordFile(folder: folder, name: "iterations.csv", header: IterationRow.header) : nil
        messages = records.messages ? try RecordFile(folder: folder, name: "messages.csv", header: MessageRow.header) : nil
        layers = records.layers ? try RecordFile(folder: folder, name: "layers.csv", header: LayerRow.header) : nil
    }

    /// The files, in a fixed order.
    var files: [RecordFile] { [requests] + [iterations, messages, layers, restarts, migrations, throughput].compactMap { $0 } }

    /// Appends rows of requests that were begun again.
    func writeRestarts(_ rows: UnsafeRawBufferPointer) throws {
        guard !rows.isEmpty else { return }
        if restarts == nil { restarts = try RecordFile(folder: folder, name: "restarts.csv", header: RestartRow.header) }
        try restarts?.write(rows)
    }

    /// Appends rows of requests that moved.
    func writeMigrations(_ rows: UnsafeRawBufferPointer) throws {
        guard !rows.isEmpty else { return }
        if migrations == nil { migrations = try RecordFile(folder: folder, name: "migrations.csv", header: MigrationRow.header) }
        try migrations?.write(rows)
    }

    /// Writes what the client received in each second.
    func write(_ series: ThroughputSeries) throws {
        let file = try RecordFile(folder: folder, name: "throughput.csv", header: ThroughputSeries.header)
        throughput = file
        var text = TextBuffer()
        series.write(to: &text)
        try take(&text) { try file.write($0) }
    }

    /// One digest for all: of names and digests, in order.
    var digest: String {
        let whole = Digest()
        for file in files { whole.update(file.name + file.digest) }
        return whole.hexadecimal
    }
}

/// Takes text out of a buffer.
func take(_ text: inout TextBuffer, into write: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    if text.count > 0 { try text.bytes.withUnsafeBytes(write) }
    text.removeAll()
}
