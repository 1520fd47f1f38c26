import Cluster
import Quantities
import Transport

/// Rows of layers of nodes that share a process, taken apart again by node.
///
/// Unlike other rows they may be written together, at the end of their iteration, while their own times lie before it: the order in which one
/// process writes them is not that of their times. So they are merged from parts under every clock.
final class LayerParts {
    /// Rows of a node are written out when so many bytes of them are held.
    private static let threshold = 1 << 16

    private struct Part {
        let file: OutputFile
        var held: [UInt8] = []

        mutating func write() throws {
            try held.withUnsafeBytes { try file.write($0) }
            held.removeAll(keepingCapacity: true)
        }
    }

    private var parts: [Part] = []
    private var places: [ArraySlice<UInt8>: Int] = [:]

    /// Makes the parts of all workers.
    init(directory: String, layout: ClusterLayout) throws(SystemError) {
        for node in layout.nodes where node.role.isWorker {
            places[ArraySlice(node.name.utf8)] = parts.count
            parts.append(Part(file: try OutputFile(PartFiles.path(directory, node, "layers"))))
        }
    }

    /// Takes whole rows.
    func write(_ rows: UnsafeRawBufferPointer) throws {
        let rows = Array(rows)[...]
        var start = rows.startIndex
        while let newline = rows[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let row = rows[start...newline]
            start = newline + 1
            guard let name = RowFields.field(row, 0), let place = places[name] else { continue }
            parts[place].held += row
            if parts[place].held.count >= Self.threshold { try parts[place].write() }
        }
    }

    /// Writes out what is held.
    func finish() throws {
        for place in parts.indices { try parts[place].write() }
    }
}
