import Quantities

extension NodeStatistics {
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
        if let counted = other.worker {
            if worker == nil { worker = counted } else { worker?.merge(counted) }
        }
        if let counted = other.client {
            if client == nil { client = counted } else { client?.merge(counted) }
        }
    }
}

extension WorkerStatistics {
    mutating func merge(_ other: WorkerStatistics) {
        busyPrefill += other.busyPrefill
        busyDecode += other.busyDecode
        kvPeakBlocks = max(kvPeakBlocks, other.kvPeakBlocks)
        kvTotalBlocks = max(kvTotalBlocks, other.kvTotalBlocks)
        preemptions += other.preemptions
        iterations += other.iterations
        iterationTimes.merge(other.iterationTimes)
        blocksAtEnd += other.blocksAtEnd
        if let counted = other.barrier {
            if barrier == nil { barrier = counted } else { barrier?.merge(counted) }
        }
    }
}

extension ClientStatistics {
    mutating func merge(_ other: ClientStatistics) {
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
