import CSystem
import Cluster
import Glibc
import Quantities
import Records
import Transport

/// Puts the nodes' parts together into the run's records: header, then each node's rows in the order of the nodes.
struct RecordFiles {
    let folder: RunFolder
    let layout: ClusterLayout
    let records: RecordPlan

    /// The digests of the records by file name, and of all of them together.
    struct Digests {
        var files: [(name: String, digest: String, bytes: Int64)] = []
        var all = ""
    }

    /// Writes `requests.csv`, `iterations.csv` and `messages.csv` and removes the parts.
    func assemble() throws -> Digests {
        var digests = Digests()
        let whole = Digest()
        var kinds = [("requests", RequestRow.header)]
        if records.iterations { kinds.append(("iterations", IterationRow.header)) }
        if records.messages { kinds.append(("messages", MessageRow.header)) }
        for (kind, header) in kinds {
            let name = kind + ".csv"
            let digest = Digest()
            let file = try OutputFile(folder.path + "/" + name)
            try file.write(header)
            digest.update(header)
            for node in layout.nodes { try append(PartFiles.path(folder.parts, node, kind), to: file, digest) }
            digests.files.append((name, digest.hexadecimal, file.size))
            whole.update(name)
            whole.update(digest.hexadecimal)
        }
        digests.all = whole.hexadecimal
        Files.removeTree(folder.parts)
        return digests
    }

    private func append(_ path: String, to file: OutputFile, _ digest: Digest) throws(SystemError) {
        let descriptor = testbed_open(path, O_RDONLY, 0)
        guard descriptor >= 0 else {
            if errno == ENOENT { return }
            throw SystemError("open \(path)", code: errno)
        }
        defer { close(descriptor) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError("read \(path)", code: errno)
            }
            if count == 0 { return }
            let rows = UnsafeRawBufferPointer(rebasing: buffer[0..<count])
            digest.update(rows)
            try file.write(rows)
        }
    }
}
