import Quantities

/// What can be added up over processes of one node.
public protocol Mergeable {
    /// Adds what was counted before or after.
    mutating func merge(_ other: Self)
}

extension Optional where Wrapped: Mergeable {
    /// Adds what was counted, where anything was.
    public mutating func merge(_ other: Wrapped?) {
        guard let other else { return }
        if self == nil { self = other } else { self?.merge(other) }
    }
}

extension BarrierStatistics: Mergeable {}

extension NodeStatistics: Mergeable {
    /// Adds what another process of the same node counted, before or after.
    public mutating func merge(_ other: NodeStatistics) {
        messages += other.messages
        bytes = bytes.addingClamped(other.bytes)
        events += other.events
        lostMessages += other.lostMessages
        fencedMessages += other.fencedMessages
        slip.merge(other.slip)
        for (kind, times) in other.decisions.enumerated() {
            if kind < decisions.count { decisions[kind].merge(times) } else { decisions.append(times) }
        }
        for (kind, counted) in other.external.enumerated() {
            if kind < external.count { external[kind].merge(counted) } else { external.append(counted) }
        }
        worker.merge(other.worker)
        client.merge(other.client)
    }
}

extension ExternalStatistics: Mergeable {
    public mutating func merge(_ other: ExternalStatistics) {
        programs = programs.addingClamped(other.programs)
        asked = asked.addingClamped(other.asked)
        answered = answered.addingClamped(other.answered)
        late = late.addingClamped(other.late)
        wrong = wrong.addingClamped(other.wrong)
        gone = gone.addingClamped(other.gone)
        fallback = fallback.addingClamped(other.fallback)
        since = min(since, other.since)
        answers.merge(other.answers)
    }
}

extension WorkerStatistics: Mergeable {
    public mutating func merge(_ other: WorkerStatistics) {
        busyPrefill += other.busyPrefill
        busyDecode += other.busyDecode
        kvPeakBlocks = max(kvPeakBlocks, other.kvPeakBlocks)
        kvTotalBlocks = max(kvTotalBlocks, other.kvTotalBlocks)
        preemptions += other.preemptions
        iterations += other.iterations
        off += other.off
        restsSince = max(restsSince, other.restsSince)
        iterationTimes.merge(other.iterationTimes)
        blocksAtEnd += other.blocksAtEnd
        migrations += other.migrations
        migratedBytes = migratedBytes.addingClamped(other.migratedBytes)
        downtimes.merge(other.downtimes)
        abortedMigrations += other.abortedMigrations
        copiedBytes = copiedBytes.addingClamped(other.copiedBytes)
        evacuations += other.evacuations
        salvages += other.salvages
        barrier.merge(other.barrier)
    }
}

extension ClientStatistics: Mergeable {
    public mutating func merge(_ other: ClientStatistics) {
        offered += other.offered
        done += other.done
        rejected += other.rejected
        failed += other.failed
        duplicatedTokens += other.duplicatedTokens
        missingTokens += other.missingTokens
        promptTokens += other.promptTokens
        outputTokens += other.outputTokens
        withinObjective += other.withinObjective
        lastEnd = max(lastEnd, other.lastEnd)
        staleTokens += other.staleTokens
        restarts += other.restarts
        recomputedTokens += other.recomputedTokens
        series.merge(other.series)
        losses += other.losses
        ttft.merge(other.ttft)
        e2e.merge(other.e2e)
        kvTransfer.merge(other.kvTransfer)
        tbt.merge(other.tbt)
    }
}
