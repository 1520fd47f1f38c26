import Cluster
import Models
import Quantities
import Records

/// A rank's place in the iterations of its gang.
///
/// All attention ranks of a gang begin an iteration at the same time, each with its own batch, possibly an empty one. What happens up to its end
/// depends on these batches alone, so the ranks work it out among themselves by messages outside of the virtual clock. The next iteration begins
/// when the last rank is done and all know it (SGLang gathers the ranks' batch sizes before each step in the same way). After an iteration with
/// nothing but empty batches the gang sleeps until one of its ranks gets work and wakes the others.
final class GangRank {
    /// What came of an iteration.
    struct Outcome {
        /// When the rank was done.
        var finish: Instant
        var traffic: Traffic
        /// Whether a rank died before it was over: nothing came of it.
        var isLost = false
    }

    /// What goes wrong meanwhile; `nil` in a run in which nothing does.
    var weather: GangWeather?
    /// Whether an iteration will not end, or cannot begin: nothing happens before the gang has other members.
    private(set) var isStalled = false
    /// Whether the rank is new to the gang, and waits to be told when it begins.
    private(set) var awaitsStart = false

    let shape: GangShape
    let member: Int
    let iterationGroups: [Range<Int>]
    /// Whether a policy decides on the tokens of all ranks, as far as this rank has to know.
    let isGlobal: Bool
    var router: ExpertRouter?
    var tally: GangTally
    var exact: LayerMember
    /// For ranks that work out the times of all.
    var evaluator: LayerEvaluator?

    /// Number and start of the last iteration begun.
    private(set) var iteration: Int64 = -1
    private(set) var start: Instant = 0
    private(set) var follows = false
    /// Whether an iteration has begun and its outcome is not known, and whether messages have come since that was last looked at.
    private(set) var isUnderWay = false
    private(set) var isReady = false

    /// Start of the iteration that the latest message belongs to.
    private(set) var lastStart: Instant = 0

    /// When the next iteration begins; `Instant.never` while the gang sleeps.
    private(set) var nextStart: Instant = .never
    /// Whether the gang goes to sleep then instead, and whether the next iteration follows the last one at once.
    private(set) var sleepsNext = false
    private var nextFollows = false
    /// Whether requests have come that the last batch could not know.
    private(set) var hasNews = false

    var inbox = GangInbox()
    var replanning: Replanning
    /// Of the present iteration.
    var parts: [LoadSheet.Part] = []
    var isEmpty = true
    var isThrough = false
    var endSent = false
    var groupsSent = 0
    var groupsDone = 0
    var lastSheets: [LoadSheet] = []
    private let recordsLayers: Bool
    /// Whether each rank counts what it did piece by piece, for its rows, or since an iteration may be lost to some and not to others.
    var keepsNotes: Bool { recordsLayers || weather != nil }
    /// An expert rank's end of the last iteration; -1 when it is counted.
    private var openTail: Instant = -1

    var hasAttention: Bool { exact.hasAttention }
    /// The rank that works out the times of all, where only one does.
    static let leader = 0

    /// `nil` when a policy cannot serve the gang, which a checked plan never has.
    /// - Parameters:
    ///   - commons: of the process, if it has several ranks.
    ///   - recordsLayers: whether `layers.csv` is written.
    init?(_ shape: GangShape, member: Int, nodes: Int, seed: UInt64, commons: GangCommons? = nil, recordsLayers: Bool = false) {
        self.recordsLayers = recordsLayers
        self.shape = shape
        self.member = member
        exact = LayerMember(shape, member: member)
        tally = GangTally(shape, nodes: nodes)
        replanning = Replanning(shape)
        let whole = 0..<shape.layers
        var needsRouter = exact.hasAttention
        switch shape.mixture.granularity {
        case .exact:
            iterationGroups = []
            // Where all tokens go to all expert ranks, those decide for all; a policy that each rank follows by itself has decided before.
            if !needsRouter, shape.sendsEverything {
                guard let policy = ExpertRouter.policy(shape, rank: 0, seed: seed) else { return nil }
                needsRouter = policy.needsGlobalCounts
            }
        case .grouped(let layers):
            iterationGroups = stride(from: 0, to: shape.layers, by: max(1, layers)).map { $0..<min($0 + max(1, layers), shape.layers) }
            if exact.hasAttention { evaluator = LayerEvaluator(shape) }
        case .iteration:
            iterationGroups = [whole]
            if member == Self.leader { evaluator = LayerEvaluator(shape) }
        }
        guard needsRouter else {
            isGlobal = false
            return
        }
        guard let start = commons.map({ $0.router(shape, seed: seed) }) ?? RouterCommons(shape, seed: seed),
            let router = ExpertRouter(shape, rank: exact.hasAttention ? member : 0, seed: seed, start)
        else { return nil }
        isGlobal = router.isGlobal
        self.router = router
    }

    var isExact: Bool { shape.mixture.granularity == .exact }
}

// MARK: - When iterations begin

extension GangRank {
    /// Requests have come, or room for those that wait. Answers when the gang is to begin, if it sleeps and must be woken.
    func noteWork(at now: Instant) -> Instant? {
        hasNews = true
        return wake(at: now)
    }

    private func wake(at now: Instant) -> Instant? {
        guard !isUnderWay, nextStart == .never, !isStalled else { return nil }
        nextStart = now + shape.wakeLatency
        nextFollows = false
        return nextStart
    }

    /// Another rank has woken the gang: it begins at the earliest time that any rank says.
    func wake(for start: Instant, at now: Instant) {
        if awaitsStart {
            awaitsStart = false
            isStalled = false
            nextStart = max(start, now)
            return
        }
        guard !isUnderWay, !isStalled, nextStart == .never || (!nextFollows && start < nextStart) else { return }
        nextStart = start
        nextFollows = false
    }

    /// The time of the next iteration has come.
    /// - Returns: whether it begins; otherwise the gang sleeps, unless the time of waking it is given.
    func reachStart(at now: Instant) -> (begins: Bool, wakes: Instant?) {
        nextStart = .never
        guard sleepsNext else { return (true, nil) }
        sleepsNext = false
        return (false, hasNews ? wake(at: now) : nil)
    }

    /// An attention rank begins an iteration with a batch, divided into micro-batches.
    func begin(at now: Instant, _ batches: [BatchShape]) {
        parts = shape.parts(of: batches)
        isEmpty = batches.allSatisfy(\.isEmpty)
        hasNews = false
        open(at: now, follows: nextFollows)
    }

    /// An expert rank begins what attention ranks have begun.
    private func join(at start: Instant, follows: Bool) {
        if follows, openTail >= 0 { tally.addTail(start - openTail) }
        openTail = -1
        parts = []
        open(at: start, follows: follows)
    }

    private func open(at now: Instant, follows: Bool) {
        iteration += 1
        start = now
        self.follows = follows
        isUnderWay = true
        isReady = true
        isThrough = false
        endSent = false
        groupsSent = 0
        groupsDone = 0
        if isExact { exact.begin(iteration, at: now, parts: parts) }
    }

    /// The rank enters an epoch of its gang.
    /// - Parameter start: of the first iteration; `nil` for a rank that another one tells.
    func enter(_ epoch: Int, from start: Instant?) {
        iteration = Int64(epoch) << GangCrew.epochBits - 1
        nextStart = hasAttention ? start ?? .never : .never
        nextFollows = true
        isStalled = start == nil
        awaitsStart = start == nil
    }

    /// The next iteration begins later.
    func put(off start: Instant) { nextStart = start }

    /// Nothing comes of the present iteration, or of the next one.
    func stall() {
        isUnderWay = false
        isReady = false
        isStalled = true
        nextStart = .never
    }

    /// Number of the last iteration begun, among those with the same members.
    var number: Int64 { iteration & (1 << GangCrew.epochBits - 1) }

    /// Whether the next iteration's start is known to all ranks.
    var isScheduled: Bool { nextStart < .never && nextFollows }

    /// The outcome is known.
    func close(_ work: RankWork, lastFinish: Instant, isEmpty: Bool, counters: [Int64]) -> Outcome {
        var finish = work.finish
        var lastFinish = lastFinish
        if let weather {
            finish = weather.map(finish, start: start, layers: shape.layers)
            lastFinish = weather.map(lastFinish, start: start, layers: shape.layers)
            // Experts do not hear of the attention ranks' ends: what they have computed in time, they have.
            if max(finish, hasAttention ? lastFinish : finish) > weather.doom {
                stall()
                // Experts go on with whatever comes: they hear of the gang's other members by its messages.
                if !hasAttention {
                    isStalled = false
                    isReady = true
                }
                return Outcome(finish: finish, traffic: Traffic(), isLost: true)
            }
        }
        let end = close(work, finish: finish, lastFinish: lastFinish, isEmpty: isEmpty, counters: counters)
        return Outcome(finish: end, traffic: Traffic())
    }

    private func close(_ work: RankWork, finish: Instant, lastFinish: Instant, isEmpty: Bool, counters: [Int64]) -> Instant {
        isUnderWay = false
        tally.add(work)
        guard hasAttention else {
            openTail = finish
            // Messages of the next iteration may have come already.
            isReady = true
            replanning.pass(start: start)
            return finish
        }
        nextStart = lastFinish + shape.syncLatency
        if !counters.isEmpty, let time = replanning.learn(counters, start: start, router: &router) {
            nextStart += time.time
            if member == Self.leader {
                tally.statistics.replans += 1
                tally.statistics.fetchedBytes += time.bytes
            }
        }
        nextFollows = true
        sleepsNext = isEmpty
        tally.addTail(nextStart - finish)
        return finish
    }
}

// MARK: - Messages

extension GangRank {
    /// A message of another rank, or of the rank itself.
    func receive(_ message: LayerMessage) {
        guard accepts(message) else { return }
        isReady = true
        lastStart = message.start
        let isFirst = !hasAttention && message.iteration > iteration
        inbox.receive(message, shape, isFirst: isFirst)
        if case .leg(let leg) = message.body { exact.receive(leg, of: message.iteration, from: message.sender) }
    }

    /// Goes on as far as messages allow.
    func run(_ sends: inout [LayerSend]) -> Outcome? {
        isReady = false
        if !isUnderWay {
            guard !hasAttention, let next = inbox.takeStart(of: iteration + 1) else { return nil }
            if replanning.needsCounters(expertRouter: router) {
                guard let counters = inbox.takeCounters(of: iteration + 1) else {
                    inbox.putBack(next, of: iteration + 1)
                    return nil
                }
                replanning.replanExperts(counters, router: &router)
            }
            join(at: next.start, follows: next.follows)
            isReady = false
        }
        return isExact ? runExact(&sends) : runSheets(&sends)
    }

    /// A message of this rank in the present iteration.
    func message(_ body: LayerMessage.Body) -> LayerMessage {
        LayerMessage(iteration: iteration, start: start, follows: follows, sender: Int32(member), body: body)
    }
}

/// A message to another rank, on its way to the network.
struct LayerSend {
    /// Node of the receiver.
    var target: Int32
    var message: LayerMessage
}
