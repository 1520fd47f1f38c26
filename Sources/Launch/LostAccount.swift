import Cluster
import Nodes
import Quantities
import Records
import TraceFiles
import Transport
import Workload

/// The account of a client whose process was killed before it could close it.
///
/// What is on the disk is true: a row stands there as soon as the client's window is over. So requests that have a row have ended, and their counts
/// and times are taken from there; those that had been offered and have none have failed with the client. How often tokens came, and when, is known
/// from what the client had last written of it, a second before or so.
struct LostAccount {
    let folder: RunFolder
    let plan: ClusterPlan
    let layout: ClusterLayout
    /// What had gone wrong before.
    let faults: FaultTable
    /// Requests that came while the run went on, in order of arrival.
    let added: [RequestSpec]

    private var client: NodePlan { layout.nodes[ClusterLayout.client] }

    /// Cuts off what a process that was killed has written of a row.
    static func trim(_ folder: RunFolder, _ node: NodePlan) throws {
        for kind in PartFiles.rowKinds { try Files.trimToLine(PartFiles.path(folder.parts, node, kind)) }
    }

    /// Gives every request that was offered before `end` its row, and writes the statistics anew.
    func complete(at end: Instant) throws {
        let path = PartFiles.path(folder.parts, client, "requests")
        var counted = try PartFiles.statistics(folder.parts, client) ?? NodeStatistics()
        let before = counted.client ?? ClientStatistics()
        var account = Account(before, plan.objective)
        if let bytes = try Files.read(path) {
            for row in bytes.split(separator: UInt8(ascii: "\n")) { account.take(row) }
        }
        var text = TextBuffer()
        for spec in try open(account, before, at: end).sorted(by: { $0.id < $1.id }) {
            account.fail(spec.id, at: end)
            RequestRow(id: spec.id, arrival: spec.arrival, promptTokens: spec.promptTokens, outputTokens: 0, finish: end, status: .failed)
                .write(to: &text)
        }
        let part = try OutputFile(path, appends: true)
        try take(&text) { try part.write($0) }
        counted.client = account.closed(at: end)
        try PartFiles.write(counted, folder.parts, client)
    }

    /// Requests that had been offered, and have no row.
    private func open(_ account: Account, _ before: ClientStatistics, at end: Instant) throws -> [RequestSpec] {
        let source = try requestSource(for: plan.workload, seed: plan.seed)
        var found = added.filter { wasOffered($0, at: end) && !account.ended.contains($0.id) }
        guard let loop = plan.workload.closedLoop else {
            while let spec = source.next(), spec.arrival < end {
                if wasOffered(spec, at: end), !account.ended.contains(spec.id) { found.append(spec) }
            }
            return found
        }
        // Users who do not think have a request each; else how many had been sent is known from what the client wrote.
        let first = Int64(faults.outages[ClusterLayout.client].count { $0.until <= end }) * ClientNumbers.ofIncarnation
        let here = account.ended.filter { $0 >= first && $0 < first + ClientNumbers.ofIncarnation }
        var count = max(here.max().map { $0 - first + 1 } ?? 0, before.offered - Int64(account.ended.count - here.count))
        if loop.think == 0, end <= plan.workload.duration ?? .never { count = max(count, Int64(here.count + loop.concurrency)) }
        var place: Int64 = 0
        while place < count, var spec = source.next() {
            place += 1
            spec.id += first
            spec.arrival = end
            if !account.ended.contains(spec.id) { found.append(spec) }
        }
        return found
    }

    private func wasOffered(_ spec: RequestSpec, at end: Instant) -> Bool {
        spec.arrival < end && faults.isUp(ClusterLayout.client, at: spec.arrival)
    }
}

/// A client's account as its rows tell it.
private struct Account {
    /// Looked up, and walked only where the order does not count.
    private(set) var ended: Set<Int64> = []
    private var statistics: ClientStatistics
    private let objective: ServiceObjective?
    private var tokens: Int64 = 0
    private var lost: Int64 = 0

    init(_ before: ClientStatistics, _ objective: ServiceObjective?) {
        self.objective = objective
        statistics = before
        (statistics.done, statistics.rejected, statistics.failed) = (0, 0, 0)
        (statistics.promptTokens, statistics.withinObjective) = (0, 0)
        (statistics.ttft, statistics.e2e, statistics.kvTransfer) = (SampleSet(), SampleSet(), SampleSet())
    }

    mutating func take(_ row: ArraySlice<UInt8>) {
        guard let id = RowFields.number(row, field: 0), let arrival = RowFields.time(row, field: 1), let finish = RowFields.time(row, field: 8),
            let status = RowFields.field(row, 9).flatMap({ RequestStatus(rawValue: String(decoding: $0, as: UTF8.self)) })
        else { return }
        ended.insert(id)
        statistics.lastEnd = max(statistics.lastEnd, finish)
        let output = RowFields.number(row, field: 3) ?? 0
        tokens += output
        switch status {
        case .rejected: statistics.rejected += 1
        case .failed: statistics.failed += 1
        case .done:
            statistics.done += 1
            statistics.promptTokens += RowFields.number(row, field: 2) ?? 0
            let first = RowFields.time(row, field: 7) ?? finish
            statistics.ttft.add(first - arrival)
            statistics.e2e.add(finish - arrival)
            if let transfer = RowFields.time(row, field: 13), transfer > 0 { statistics.kvTransfer.add(transfer) }
            if objective?.isMet(ttft: first - arrival, meanTBT: (finish - first) / max(1, output - 1), e2e: finish - arrival) == true {
                statistics.withinObjective += 1
            }
        }
    }

    mutating func fail(_ id: Int64, at end: Instant) {
        ended.insert(id)
        statistics.failed += 1
        statistics.lastEnd = max(statistics.lastEnd, end)
        lost += 1
    }

    func closed(at end: Instant) -> ClientStatistics {
        var result = statistics
        result.offered = result.done + result.rejected + result.failed
        result.outputTokens = max(result.outputTokens, tokens)
        result.losses.append(ClientStatistics.Loss(node: Int64(ClusterLayout.client), at: end, requests: lost, recomputedTokens: 0))
        return result
    }
}
