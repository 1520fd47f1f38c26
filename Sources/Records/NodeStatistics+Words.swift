import Quantities

/// Statistics as 64-bit words: how a node hands them to its launcher, through a file of the run's folder.
extension NodeStatistics {
    /// Changes whenever the layout does; a file of another version is refused.
    private static let version: Int64 = 1

    /// The words.
    public func encoded() -> [Int64] {
        var words: [Int64] = [Self.version, messages, bytes, events]
        slip.encode(into: &words)
        words.append(worker == nil ? 0 : 1)
        worker?.encode(into: &words)
        words.append(client == nil ? 0 : 1)
        client?.encode(into: &words)
        return words
    }

    /// Reads what `encoded` wrote; `nil` for anything else.
    public init?(decoding words: [Int64]) {
        var reader = WordReader(words)
        guard reader.next() == Self.version else { return nil }
        self.init()
        messages = reader.next()
        bytes = reader.next()
        events = reader.next()
        slip = LogLinearHistogram(decoding: &reader)
        if reader.next() == 1 { worker = WorkerStatistics(decoding: &reader) }
        if reader.next() == 1 { client = ClientStatistics(decoding: &reader) }
        guard reader.isComplete else { return nil }
    }
}

extension WorkerStatistics {
    fileprivate func encode(into words: inout [Int64]) {
        words += [busyPrefill, busyDecode, kvPeakBlocks, kvTotalBlocks, preemptions, iterations, blocksAtEnd]
        iterationTimes.encode(into: &words)
    }

    fileprivate init(decoding reader: inout WordReader) {
        self.init()
        busyPrefill = reader.next()
        busyDecode = reader.next()
        kvPeakBlocks = reader.next()
        kvTotalBlocks = reader.next()
        preemptions = reader.next()
        iterations = reader.next()
        blocksAtEnd = reader.next()
        iterationTimes = LogLinearHistogram(decoding: &reader)
    }
}

extension ClientStatistics {
    fileprivate func encode(into words: inout [Int64]) {
        words += [offered, done, rejected, failed, duplicatedTokens, missingTokens, promptTokens, outputTokens, withinObjective, lastEnd]
        for samples in [ttft, e2e, kvTransfer] { samples.encode(into: &words) }
        tbt.encode(into: &words)
    }

    fileprivate init(decoding reader: inout WordReader) {
        self.init()
        offered = reader.next()
        done = reader.next()
        rejected = reader.next()
        failed = reader.next()
        duplicatedTokens = reader.next()
        missingTokens = reader.next()
        promptTokens = reader.next()
        outputTokens = reader.next()
        withinObjective = reader.next()
        lastEnd = reader.next()
        ttft = SampleSet(decoding: &reader)
        e2e = SampleSet(decoding: &reader)
        kvTransfer = SampleSet(decoding: &reader)
        tbt = LogLinearHistogram(decoding: &reader)
    }
}
