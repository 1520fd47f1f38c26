import Quantities

/// A worker that will be ended, and what runs there.
public struct Leaving: Sendable, Equatable {
    /// A request that runs there.
    public struct Running: Sendable, Equatable {
        public var id: Int64
        public var stream: Int32
        /// Tokens whose cache is there, and tokens of the output so far.
        public var cached: Int32
        public var produced: Int32

        public init(id: Int64, stream: Int32, cached: Int32, produced: Int32) {
            self.id = id
            self.stream = stream
            self.cached = cached
            self.produced = produced
        }
    }

    /// When it will be ended.
    public var deadline: Instant
    public var running: [Running]

    public init(deadline: Instant, running: [Running] = []) {
        self.deadline = deadline
        self.running = running
    }
}

/// Which caches of a worker that will be ended go where, in order.
public struct Evacuation: Sendable, Equatable {
    /// A cache and where it goes.
    public struct Move: Sendable, Equatable {
        public var id: Int64
        public var stream: Int32
        public var node: Int32

        public init(id: Int64, stream: Int32, node: Int32) {
            self.id = id
            self.stream = stream
            self.node = node
        }
    }

    /// When the first leaves at the latest.
    public var start: Instant
    public var moves: [Move]

    public init(start: Instant, moves: [Move]) {
        self.start = start
        self.moves = moves
    }
}

/// A cache that goes to the worker that goes on with its request.
public struct MovedCache: Sendable, Equatable {
    public var request: Assignment
    /// Tokens whose cache it is.
    public var cached: Int32

    public init(request: Assignment, cached: Int32) {
        self.request = request
        self.cached = cached
    }
}
