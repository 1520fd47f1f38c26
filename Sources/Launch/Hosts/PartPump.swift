import CSystem
import Cluster
import Glibc
import Transport

/// Takes what a node's process writes to the launcher, from where it got to the last time: whole rows, the log, and what the node has counted.
struct PartPump {
    private let node: NodePlan
    private let folder: RunFolder
    private var offsets: [Int: off_t] = [:]
    private var logOffset: off_t = 0
    /// Of the statistics sent last: when they were written, and which file they were.
    private var lastStatistics: (time: timespec, file: ino_t) = (timespec(), 0)

    init(node: NodePlan, folder: RunFolder) {
        self.node = node
        self.folder = folder
    }

    /// Sends the rows that are the account, if the node keeps it.
    mutating func sendAccount(to line: SeatLine) throws {
        guard node.role == .client else { return }
        for kind in PartFiles.rowKinds.indices.prefix(2) { try sendRows(kind, to: line) }
    }

    /// Sends everything that is new.
    mutating func sendAll(to line: SeatLine) throws {
        for kind in PartFiles.rowKinds.indices { try sendRows(kind, to: line) }
        try sendStatistics(to: line)
        logOffset = try send(folder.log(of: node), from: logOffset, wholeLines: false) { try line.send(.log($0)) }
    }

    private mutating func sendRows(_ kind: Int, to line: SeatLine) throws {
        let path = PartFiles.path(folder.parts, node, PartFiles.rowKinds[kind])
        offsets[kind] = try send(path, from: offsets[kind] ?? 0, wholeLines: true) { try line.send(.rows(kind: kind, bytes: $0)) }
    }

    /// Hands over what is in a file beyond an offset, and answers the offset to go on from.
    private func send(_ path: String, from start: off_t, wholeLines: Bool, _ send: ([UInt8]) throws -> Void) throws -> off_t {
        let descriptor = testbed_open(path, O_RDONLY, 0)
        guard descriptor >= 0 else { return start }
        defer { close(descriptor) }
        var start = start
        var chunk = [UInt8](repeating: 0, count: SeatLimits.piece)
        while true {
            let count = pread(descriptor, &chunk, chunk.count, start)
            guard count > 0 else { return start }
            var end = count
            if wholeLines {
                guard let last = chunk[..<count].lastIndex(of: UInt8(ascii: "\n")) else { return start }
                end = last + 1
            }
            try send(Array(chunk[..<end]))
            start += off_t(end)
        }
    }

    private mutating func sendStatistics(to line: SeatLine) throws {
        let path = PartFiles.path(folder.parts, node, "statistics")
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        let (time, last) = (status.st_mtim, lastStatistics)
        guard time.tv_sec != last.time.tv_sec || time.tv_nsec != last.time.tv_nsec || status.st_ino != last.file else { return }
        lastStatistics = (time, status.st_ino)
        if let bytes = try Files.read(path) { try line.send(.statistics(bytes)) }
    }
}
