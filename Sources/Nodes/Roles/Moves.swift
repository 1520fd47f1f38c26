import Quantities

/// What a worker knows of requests that are on their way from it or to it, and of copies.
struct Moves {
    /// Blocks that the last stage may have (the default of Llumnix's code), whatever the stages before it.
    static let lastBlocks: Int64 = 16
    /// Stages before it at the most.
    var stageLimit: Int32 = 3

    /// A request that is being moved away.
    struct Outgoing {
        enum Stage: Equatable {
            /// Room was asked for, for the last stage or one before.
            case reserving(isLast: Bool)
            /// A stage is on its way.
            case copying
            /// There is room for the rest: the request stops with the iteration that computes it.
            case stopping
            /// It has stopped, and the rest is on its way.
            case handedOver
        }

        let slot: Int32
        let id: Int64
        let stream: Int32
        let target: Int32
        let attempt: Int32
        let begun: Instant
        /// The request's, when it began.
        let preemptions: Int32
        var targetBorn: Instant = -1
        var stage = Stage.reserving(isLast: false)
        var stages: Int32 = 0
        /// Tokens whose cache has been sent, whole blocks until the last stage, and its bytes.
        var copied: Int32 = 0
        var bytes: ByteCount = 0
    }

    /// Room for a request that is being moved here.
    struct Incoming {
        let source: Int32
        let born: Instant
        let id: Int64
        let stream: Int32
        var blocks: Int64
    }

    /// A request that has come and has not produced a token here.
    struct Landed {
        let slot: Int32
        let source: Int32
        let state: MovedRequest
    }

    var outgoing: Outgoing?
    var incoming: [Incoming] = []
    var landed: [Landed] = []
    var attempts: Int32 = 0
    /// Who holds copies of the caches here, and how far a cache grows before it is copied; -1 and 0 for none.
    var buddy: Int32 = -1
    var copyInterval: Int32 = 0
    /// By node that counts as dead, since when a process of it must have been born to be believed. Only looked up.
    var believedFrom: [Int32: Instant] = [:]
}
