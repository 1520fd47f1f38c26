import Cluster
import Policies
import Quantities

/// The workers of one phase, as the controller knows them.
struct WorkerGroup {
    let nodes: [Int32]
    private(set) var views: [WorkerView]
    /// Requests sent to each in all, their prompt tokens, and the output tokens that they were predicted to produce.
    private var sentRequests: [Int64]
    private var sentTokens: [Int64]
    private var sentPredicted: [Int64]
    var policy: any RoutingPolicy
    /// The program that decides in the policy's place, until it fails.
    var program: ExternalPolicy?
    /// Whether requests wait here for a worker with room until the policy has decided on them together, and those that wait.
    let isBatched: Bool
    /// How long reports are gathered before the policy is asked about those that wait; 0: it is asked at each. And whether they are being gathered.
    var gatheringTime: Nanoseconds = 0
    var isGathering = false
    var held = HeldRequests()
    /// Places of the workers that live, in order.
    private(set) var live: [Int]
    private let blank: [WorkerView]
    /// Who holds copies of whose caches, by place: a place, or -1 for nobody.
    private(set) var buddies: [Int]
    /// By place, the first place with the same model: caches move among those.
    let kinds: [Int]

    init(_ workers: [(node: Int32, shape: WorkerShape)], _ duty: Duty, policy: any RoutingPolicy) {
        nodes = workers.map(\.node)
        blank = workers.map { node, shape in
            WorkerView(totalBlocks: shape.blocks, blockSize: Int64(shape.engine.blockSize), traits: shape.traits(of: node, duty))
        }
        views = blank
        sentRequests = Array(repeating: 0, count: workers.count)
        sentTokens = sentRequests
        sentPredicted = sentRequests
        live = Array(workers.indices)
        let kinds = workers.map { worker in workers.firstIndex { $0.shape.model == worker.shape.model } ?? 0 }
        self.kinds = kinds
        buddies = workers.indices.map { Self.buddy(of: $0, among: Array(workers.indices), kinds) }
        self.policy = policy
        isBatched = policy is any BatchRoutingPolicy
    }

    /// The workers that live, as policies see them.
    var liveViews: [WorkerView] { live.count == views.count ? views : live.map { views[$0] } }

    /// The place of the worker that a request goes to; `nil` while none lives.
    mutating func choose(for view: RequestView) -> Int? {
        let choice: Int
        if live.count == views.count {
            choice = decide(on: view, among: views)
        } else {
            guard !live.isEmpty else { return nil }
            choice = live[decide(on: view, among: liveViews)]
        }
        note(view, sentTo: choice)
        return choice
    }

    private mutating func decide(on view: RequestView, among workers: [WorkerView]) -> Int {
        if let program, let choice = program.route(view, among: workers) { return choice }
        return min(max(policy.choose(for: view, among: workers), 0), workers.count - 1)
    }

    /// Counts a request that is sent to a worker, or takes it back.
    mutating func note(_ view: RequestView, sentTo place: Int, times: Int64 = 1) {
        let tokens = times * Int64(view.promptTokens)
        let predicted = view.prediction.isKnown ? times * view.predictedLeft : 0
        sentRequests[place] += times
        sentTokens[place] += tokens
        sentPredicted[place] += predicted
        views[place].unseenRequests += times
        views[place].unseenTokens += tokens
        views[place].unseenPredicted += predicted
    }

    mutating func update(_ place: Int, with load: LoadReport, sent: Instant) {
        views[place].reportedAt = sent
        views[place].waitingRequests = Int64(load.waitingRequests)
        views[place].runningRequests = Int64(load.runningRequests)
        views[place].waitingTokens = load.waitingTokens
        views[place].usedBlocks = load.usedBlocks
        views[place].contextTokens = load.contextTokens
        views[place].predictedTokens = load.predictedTokens
        views[place].endingRequests = load.endingRequests.map(Int64.init)
        views[place].endingTokens = load.endingTokens
        views[place].headBlocks = load.headBlocks
        views[place].urgentRequests = Int64(load.urgentRequests)
        views[place].isMigrating = load.isMigrating
        // No worker can have received more than was sent: a report that says so says nothing.
        views[place].unseenRequests = sentRequests[place] - min(max(load.receivedRequests, 0), sentRequests[place])
        views[place].unseenTokens = sentTokens[place] - min(max(load.receivedTokens, 0), sentTokens[place])
        views[place].unseenPredicted = sentPredicted[place] - min(max(load.receivedPredicted, 0), sentPredicted[place])
    }

    /// Finds another worker to hold copies of a worker's caches.
    mutating func renewBuddy(of place: Int) { buddies[place] = Self.buddy(of: place, among: live, kinds) }

    /// Nobody has copies of a worker's caches any more.
    mutating func forgetBuddy(of place: Int) { buddies[place] = -1 }

    /// A worker counts as dead.
    mutating func lose(_ place: Int) { live.removeAll { $0 == place } }

    /// A new process of a worker serves, with nothing in it.
    mutating func gain(_ place: Int) {
        views[place] = blank[place]
        sentRequests[place] = 0
        sentTokens[place] = 0
        sentPredicted[place] = 0
        if let next = live.firstIndex(where: { $0 >= place }) {
            if live[next] != place { live.insert(place, at: next) }
        } else {
            live.append(place)
        }
    }
}
