import Quantities

/// What a controller knows of a worker from the topology alone.
public struct WorkerTraits: Sendable, Equatable {
    /// The worker's own number, the same for as long as it lives, whoever joins or leaves its group.
    public var node: Int32
    /// Whether prompts are computed there, and whether outputs are.
    public var prefills: Bool
    public var decodes: Bool
    /// Requests that one iteration may hold.
    public var places: Int64
    /// Prompt tokens a second, of a prompt of 1,024 tokens that is alone.
    public var prefillRate: Int64
    /// Output tokens a second of a batch of 32 whose caches fill half of the memory, and how long one of its iterations takes.
    public var decodeRate: Int64
    public var roundTime: Nanoseconds

    public init(
        node: Int32 = 0, prefills: Bool = true, decodes: Bool = true, places: Int64 = 256, prefillRate: Int64 = 10_000, decodeRate: Int64 = 1_600,
        roundTime: Nanoseconds = 20_000_000
    ) {
        self.node = node
        self.prefills = prefills
        self.decodes = decodes
        self.places = places
        self.prefillRate = prefillRate
        self.decodeRate = decodeRate
        self.roundTime = roundTime
    }

    /// Tokens a second of what the worker does first: prompts if it computes them, else outputs.
    public var speed: Int64 { prefills ? prefillRate : decodeRate }
}

/// What the controller knows of a worker: the last load report that reached it, and what it has sent since.
public struct WorkerView: Sendable, Equatable {
    /// Classes of requests by the rounds that they are predicted to run on: class `c` has those of 2^c to 2^(c+1) - 1, the last one all longer ones.
    public static let endingClasses = 12

    public var traits: WorkerTraits
    /// When the report was made, at the worker; 0 before the first.
    public var reportedAt: Instant = 0
    /// Requests that waited and that ran when the report was made.
    public var waitingRequests: Int64 = 0
    public var runningRequests: Int64 = 0
    /// Tokens that were still to be prefilled.
    public var waitingTokens: Int64 = 0
    /// Cache blocks in use, and blocks that exist.
    public var usedBlocks: Int64 = 0
    public var totalBlocks: Int64
    /// Tokens of all requests that waited or ran: prompts, and what had been produced of the outputs.
    public var contextTokens: Int64 = 0
    /// Output tokens that these requests were predicted to produce yet; 0 without a predictor.
    public var predictedTokens: Int64 = 0
    /// These requests and their tokens, by the class of what they are predicted to produce yet; empty without a predictor.
    public var endingRequests: [Int64] = []
    public var endingTokens: [Int64] = []
    /// Cache blocks that the request at the head of the queue demands, urgent requests that ran, and whether one was being moved away.
    public var headBlocks: Int64 = 0
    public var urgentRequests: Int64 = 0
    public var isMigrating = false
    /// Requests sent to the worker that the report does not cover, their prompt tokens, and their predicted outputs.
    public var unseenRequests: Int64 = 0
    public var unseenTokens: Int64 = 0
    public var unseenPredicted: Int64 = 0
    /// Tokens in a cache block.
    public var blockSize: Int64

    public init(totalBlocks: Int64, blockSize: Int64, traits: WorkerTraits = WorkerTraits()) {
        self.totalBlocks = totalBlocks
        self.blockSize = blockSize
        self.traits = traits
    }

    /// Requests at the worker or on their way to it, as far as the controller can tell.
    public var queueLength: Int64 { waitingRequests + runningRequests + unseenRequests }

    /// Cache blocks in use or soon to be, as far as the controller can tell.
    public var expectedBlocks: Int64 { usedBlocks + (unseenTokens + blockSize - 1) / blockSize }

    /// Tokens of all requests at the worker or on their way to it.
    public var expectedContext: Int64 { contextTokens + unseenTokens }

    /// Requests of `tokens` tokens each that the worker could begin at once: by places in its batch, and by blocks that nobody uses or waits for.
    public func slots(forRequestsOf tokens: Int64) -> Int {
        let free = totalBlocks - expectedBlocks - (traits.prefills ? waitingTokens / blockSize : 0)
        let blocks = (max(tokens, 1) + blockSize - 1) / blockSize
        return Int(max(0, min(traits.places - queueLength, free / blocks, 1 << 20)))
    }

    /// Tokens of the requests that are predicted to run on after 2^`step` - 1 more rounds, each grown by a token a round.
    ///
    /// Requests that the report does not cover count as going on. Without a predictor all do.
    public func context(afterDoublings step: Int) -> Int64 {
        let rounds = Int64(1) << Int64(step) - 1
        guard !endingRequests.isEmpty, step > 0 else { return expectedContext + rounds * (waitingRequests + runningRequests + unseenRequests) }
        var tokens = unseenTokens + rounds * unseenRequests
        for place in min(step, endingRequests.count)..<endingRequests.count { tokens += endingTokens[place] + rounds * endingRequests[place] }
        return tokens
    }
}
