import Quantities

/// Statistics as 64-bit words: how a node hands them to its launcher, through a file of the run's folder.
extension NodeStatistics {
    /// Changes whenever the layout does; a file of another version is refused.
    private static let version: Int64 = 5

    /// The words.
    public func encoded() -> [Int64] {
        var words: [Int64] = [Self.version, messages, bytes, events, lostMessages, fencedMessages]
        slip.encode(into: &words)
        words.append(worker == nil ? 0 : 1)
        worker?.encode(into: &words)
        words.append(client == nil ? 0 : 1)
        client?.encode(into: &words)
        words.append(Int64(decisions.count))
        for times in decisions { times.encode(into: &words) }
        words.append(Int64(external.count))
        for counted in external { counted.encode(into: &words) }
        return words
    }

    /// Reads what `encoded` wrote; `nil` for anything else.
    public init?(decoding words: [Int64]) {
        var reader = WordReader(words)
        guard reader.next() == Self.version else { return nil }
        self.init()
        messages = reader.amount()
        bytes = reader.amount()
        events = reader.amount()
        lostMessages = reader.amount()
        fencedMessages = reader.amount()
        slip = LogLinearHistogram(decoding: &reader)
        if reader.next() == 1 { worker = WorkerStatistics(decoding: &reader) }
        if reader.next() == 1 { client = ClientStatistics(decoding: &reader) }
        for _ in 0..<reader.amount(upTo: Int64(DecisionKind.allCases.count)) { decisions.append(LogLinearHistogram(decoding: &reader)) }
        for _ in 0..<reader.amount(upTo: Int64(DecisionKind.allCases.count)) { external.append(ExternalStatistics(decoding: &reader)) }
        guard reader.isComplete else { return nil }
    }
}

extension ExternalStatistics {
    fileprivate func encode(into words: inout [Int64]) {
        words += [programs, asked, answered, late, wrong, gone, fallback, since == .never ? 0 : since + 1]
        answers.encode(into: &words)
    }

    fileprivate init(decoding reader: inout WordReader) {
        self.init()
        programs = reader.amount()
        asked = reader.amount()
        answered = reader.amount()
        late = reader.amount()
        wrong = reader.amount()
        gone = reader.amount()
        fallback = reader.amount()
        let stamp = reader.amount()
        since = stamp == 0 ? .never : stamp - 1
        answers = LogLinearHistogram(decoding: &reader)
    }
}

extension WorkerStatistics {
    fileprivate func encode(into words: inout [Int64]) {
        words += [busyPrefill, busyDecode, kvPeakBlocks, kvTotalBlocks, preemptions, iterations, blocksAtEnd, off, restsSince + 1]
        words += [migrations, migratedBytes, abortedMigrations, copiedBytes]
        downtimes.encode(into: &words)
        words.append(Int64(evacuations.count))
        for evacuation in evacuations { words += [evacuation.deadline, evacuation.bytes] }
        words.append(Int64(salvages.count))
        for salvage in salvages { words += [salvage.node, salvage.at, salvage.tokens] }
        iterationTimes.encode(into: &words)
        words.append(barrier == nil ? 0 : 1)
        barrier?.encode(into: &words)
    }

    fileprivate init(decoding reader: inout WordReader) {
        self.init()
        busyPrefill = reader.amount()
        busyDecode = reader.amount()
        kvPeakBlocks = reader.amount()
        kvTotalBlocks = reader.amount()
        preemptions = reader.amount()
        iterations = reader.amount()
        blocksAtEnd = reader.amount()
        off = reader.amount()
        restsSince = reader.amount() - 1
        migrations = reader.amount()
        migratedBytes = reader.amount()
        abortedMigrations = reader.amount()
        copiedBytes = reader.amount()
        downtimes = LogLinearHistogram(decoding: &reader)
        evacuations = (0..<reader.amount(upTo: Int64(Int32.max))).map { _ in CacheEvacuation(deadline: reader.amount(), bytes: reader.amount()) }
        salvages = (0..<reader.amount(upTo: Int64(Int32.max))).map { _ in
            CacheSalvage(node: reader.amount(), at: reader.amount(), tokens: reader.amount())
        }
        iterationTimes = LogLinearHistogram(decoding: &reader)
        if reader.next() == 1 { barrier = BarrierStatistics(decoding: &reader) }
    }
}

extension BarrierStatistics {
    fileprivate func encode(into words: inout [Int64]) {
        words += [count, span, attention, experts, awaitingAttention, awaitingExperts, awaitingNetwork]
        words += [routedTokens, droppedTokens, replans, fetchedBytes, Int64(last.count)]
        words += last
        waits.encode(into: &words)
        imbalance.encode(into: &words)
    }

    fileprivate init(decoding reader: inout WordReader) {
        self.init()
        count = reader.amount()
        span = reader.amount()
        attention = reader.amount()
        experts = reader.amount()
        awaitingAttention = reader.amount()
        awaitingExperts = reader.amount()
        awaitingNetwork = reader.amount()
        routedTokens = reader.amount()
        droppedTokens = reader.amount()
        replans = reader.amount()
        fetchedBytes = reader.amount()
        for _ in 0..<reader.count(of: 1) { last.append(reader.amount()) }
        waits = LogLinearHistogram(decoding: &reader)
        imbalance = LogLinearHistogram(decoding: &reader)
    }
}

extension ClientStatistics {
    fileprivate func encode(into words: inout [Int64]) {
        words += [offered, done, rejected, failed, duplicatedTokens, missingTokens, promptTokens, outputTokens, withinObjective, lastEnd]
        words += [staleTokens, restarts, recomputedTokens, Int64(losses.count)]
        for loss in losses { words += [loss.node, loss.at, loss.requests, loss.recomputedTokens] }
        series.encode(into: &words)
        for samples in [ttft, e2e, kvTransfer] { samples.encode(into: &words) }
        tbt.encode(into: &words)
    }

    fileprivate init(decoding reader: inout WordReader) {
        self.init()
        offered = reader.amount()
        done = reader.amount()
        rejected = reader.amount()
        failed = reader.amount()
        duplicatedTokens = reader.amount()
        missingTokens = reader.amount()
        promptTokens = reader.amount()
        outputTokens = reader.amount()
        withinObjective = reader.amount()
        lastEnd = reader.amount()
        staleTokens = reader.amount()
        restarts = reader.amount()
        recomputedTokens = reader.amount()
        for _ in 0..<reader.count(of: 4) {
            losses.append(Loss(node: reader.amount(), at: reader.amount(), requests: reader.amount(), recomputedTokens: reader.amount()))
        }
        series = ThroughputSeries(decoding: &reader)
        ttft = SampleSet(decoding: &reader)
        e2e = SampleSet(decoding: &reader)
        kvTransfer = SampleSet(decoding: &reader)
        tbt = LogLinearHistogram(decoding: &reader)
    }
}

extension ThroughputSeries {
    fileprivate func encode(into words: inout [Int64]) {
        words.append(Int64(seconds.count))
        for second in seconds { words += [second.tokens, second.done, second.withinObjective] }
    }

    fileprivate init(decoding reader: inout WordReader) {
        self.init()
        for _ in 0..<reader.count(of: 3) {
            append(Second(tokens: reader.amount(), done: reader.amount(), withinObjective: reader.amount()))
        }
    }
}
