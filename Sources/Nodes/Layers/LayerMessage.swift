import Models
import Quantities
import Records

/// What the ranks of a gang tell each other while they compute an iteration.
///
/// Nothing outside of the gang can change an iteration that has begun, so these messages go as soon as they are known, ahead of the virtual
/// clock; the emulated times are in them.
public final class LayerMessage: Sendable, Equatable {
    /// What it tells.
    public enum Body: Sendable, Equatable {
        case leg(LayerLeg)
        /// An attention rank is done with the iteration.
        case done(IterationEnd)
        /// Loads of some layers, or of all: number of the group of layers, from 0.
        case sheet(LoadSheet, group: Int32)
        /// What came out of an iteration for one rank.
        case verdict(LayerVerdict)
        /// What all attention ranks counted, for expert ranks that choose replicas, before the iteration begins.
        case counters([Int64])
    }

    /// Number of the iteration, from 0, and its start.
    public let iteration: Int64
    public let start: Instant
    /// Whether it followed the one before without a pause.
    public let follows: Bool
    /// Place of the sender in the gang.
    public let sender: Int32
    public let body: Body

    public init(iteration: Int64, start: Instant, follows: Bool, sender: Int32, body: Body) {
        self.iteration = iteration
        self.start = start
        self.follows = follows
        self.sender = sender
        self.body = body
    }

    public static func == (left: LayerMessage, right: LayerMessage) -> Bool {
        left === right
            || (left.iteration == right.iteration && left.start == right.start && left.follows == right.follows && left.sender == right.sender
                && left.body == right.body)
    }
}

/// A message of an exchange.
public struct LayerLeg: Sendable, Equatable {
    /// Which exchange it belongs to.
    public enum Kind: UInt8, Sendable, CaseIterable {
        /// Attention rank to attention rank: tokens by expert, for a policy that decides on all.
        case counts
        /// Attention rank to expert rank, and back.
        case dispatch, combine
        /// In two phases: attention rank to the one that gathers, from there to a host of experts, from there to its ranks.
        case gather, put, spread
        /// And back: expert rank to the one that reduces, from there to a host of attention ranks, from there to its ranks.
        case reduce, giveBack, handOut
    }

    public var kind: Kind
    /// Layer x micro-batches + micro-batch.
    public var step: Int32
    /// When it can be received on the sender's host, and (where it goes to ranks of several hosts) on others.
    public var flight: Flight
    public var far: Flight
    /// Member that was the last to send what it holds, and when: itself, unless it is passed on.
    public var origin: Int32
    public var originSent: Instant
    /// Bytes that it stands for, where it goes to one rank; else they follow from what it tells each receiver.
    public var bytes: ByteCount
    /// Hidden states in it; for a dispatch the sender's tokens.
    public var units: Int64
    /// Pairs of token and expert on the expert ranks that it tells of: their sum and the largest.
    public var loadSum: Int64
    public var loadMost: Int64
    /// Tokens by slot, or by expert where the receiver chooses the slots; in a combine hidden states by attention rank.
    public var counts: [Int32]

    public init(
        kind: Kind, step: Int32, flight: Flight, far: Flight? = nil, origin: Int32, originSent: Instant, bytes: ByteCount = 0, units: Int64,
        loadSum: Int64 = 0,
        loadMost: Int64 = 0, counts: [Int32] = []
    ) {
        self.kind = kind
        self.step = step
        self.flight = flight
        self.far = far ?? flight
        self.origin = origin
        self.originSent = originSent
        self.bytes = bytes
        self.units = units
        self.loadSum = loadSum
        self.loadMost = loadMost
        self.counts = counts
    }
}

/// An attention rank's end of an iteration.
public struct IterationEnd: Sendable, Equatable {
    public var finish: Instant
    /// Whether its batch was empty.
    public var isEmpty: Bool
    /// Picks by layer and expert since the last plan, when the next one is due; else empty.
    public var counters: [Int64]

    public init(finish: Instant, isEmpty: Bool, counters: [Int64]) {
        self.finish = finish
        self.isEmpty = isEmpty
        self.counters = counters
    }
}

/// What came out of an iteration for one rank, where one rank worked it out for all.
public struct LayerVerdict: Sendable, Equatable {
    /// When the rank was done, and what its time went into.
    public var finish: Instant
    public var shares: IterationShares
    /// Piece by piece, where it needs that.
    public var notes: [StepNote]
    public var traffic: Traffic
    /// Largest over mean load by step in millionths, for the first attention rank.
    public var imbalances: [Int64]
    /// When the last attention rank is done, and whether all batches were empty.
    public var lastFinish: Instant
    public var isEmpty: Bool
    /// The sum of all ranks' counters when a new plan is due; else empty.
    public var counters: [Int64]

    public init(
        finish: Instant, shares: IterationShares, notes: [StepNote], traffic: Traffic, imbalances: [Int64], lastFinish: Instant, isEmpty: Bool,
        counters: [Int64]
    ) {
        self.finish = finish
        self.shares = shares
        self.notes = notes
        self.traffic = traffic
        self.imbalances = imbalances
        self.lastFinish = lastFinish
        self.isEmpty = isEmpty
        self.counters = counters
    }
}
