import Cluster
import Policies
import Quantities

/// The workers of one phase, as the controller knows them.
struct WorkerGroup {
    let nodes: [Int32]
    private(set) var views: [WorkerView]
    /// Requests and prompt tokens sent to each, in all.
    private var sentRequests: [Int64]
    private var sentTokens: [Int64]
    private var policy: any RoutingPolicy
    /// Places of the workers that live, in order.
    private var live: [Int]
    private let blank: [WorkerView]

    init(_ workers: [(node: Int32, shape: WorkerShape)], policy: any RoutingPolicy) {
        nodes = workers.map(\.node)
        blank = workers.map { WorkerView(totalBlocks: $0.shape.blocks, blockSize: Int64($0.shape.engine.blockSize)) }
        views = blank
        sentRequests = Array(repeating: 0, count: workers.count)
        sentTokens = sentRequests
        live = Array(workers.indices)
        self.policy = policy
    }

    /// The place of the worker that a request goes to; `nil` while none lives.
    mutating func choose(for request: Assignment, _ prediction: Prediction) -> Int? {
        let view = RequestView(id: request.id, promptTokens: request.knownTokens, priority: request.priority, prediction: prediction)
        let choice: Int
        if live.count == views.count {
            choice = min(max(policy.choose(for: view, among: views), 0), nodes.count - 1)
        } else {
            guard !live.isEmpty else { return nil }
            choice = live[min(max(policy.choose(for: view, among: live.map { views[$0] }), 0), live.count - 1)]
        }
        sentRequests[choice] += 1
        sentTokens[choice] += Int64(request.knownTokens)
        views[choice].unseenRequests += 1
        views[choice].unseenTokens += Int64(request.knownTokens)
        return choice
    }

    /// A request that was to go to a worker does not.
    mutating func takeBack(_ request: Assignment, from place: Int) {
        sentRequests[place] -= 1
        sentTokens[place] -= Int64(request.knownTokens)
        views[place].unseenRequests -= 1
        views[place].unseenTokens -= Int64(request.knownTokens)
    }

    mutating func update(_ place: Int, with load: LoadReport, sent: Instant) {
        views[place].reportedAt = sent
        views[place].waitingRequests = Int64(load.waitingRequests)
        views[place].runningRequests = Int64(load.runningRequests)
        views[place].waitingTokens = load.waitingTokens
        views[place].usedBlocks = load.usedBlocks
        // No worker can have received more than was sent: a report that says so says nothing.
        views[place].unseenRequests = sentRequests[place] - min(max(load.receivedRequests, 0), sentRequests[place])
        views[place].unseenTokens = sentTokens[place] - min(max(load.receivedTokens, 0), sentTokens[place])
    }

    /// A worker counts as dead.
    mutating func lose(_ place: Int) { live.removeAll { $0 == place } }

    /// A new process of a worker serves, with nothing in it.
    mutating func gain(_ place: Int) {
        views[place] = blank[place]
        sentRequests[place] = 0
        sentTokens[place] = 0
        if let next = live.firstIndex(where: { $0 >= place }) {
            if live[next] != place { live.insert(place, at: next) }
        } else {
            live.append(place)
        }
    }
}
