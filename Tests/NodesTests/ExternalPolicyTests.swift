import Policies
import Quantities
import Testing

@testable import Nodes

/// A program whose answers are given beforehand.
private final class Scripted: ExternalDecider {
    var routes: [ExternalAnswer<Int>]
    var admissions: [ExternalAnswer<[Int]>]
    private(set) var asked = 0
    private(set) var begun = 0
    private(set) var reasons: [String] = []

    init(routes: [ExternalAnswer<Int>] = [], admissions: [ExternalAnswer<[Int]>] = []) {
        self.routes = routes
        self.admissions = admissions
    }

    func begin(born: Instant) -> ExternalAnswer<Void> {
        begun += 1
        return .given(())
    }

    func route(_ request: RequestView, among workers: [WorkerView]) -> ExternalAnswer<Int> {
        asked += 1
        return routes.removeFirst()
    }

    func admit(from waiting: WaitingQueue, _ engine: EngineView) -> ExternalAnswer<[Int]> {
        asked += 1
        return admissions.removeFirst()
    }

    func giveUp(_ reason: String) { reasons.append(reason) }
}

@Suite("A program that decides in a policy's place")
struct ExternalPolicyTests {
    private let workers = Array(repeating: WorkerView(totalBlocks: 100, blockSize: 16), count: 3)

    private func request(at now: Instant) -> RequestView {
        var view = RequestView(id: 1, promptTokens: 10, priority: 0)
        view.now = now
        return view
    }

    /// So many requests that wait.
    private func queue(_ count: Int) -> WaitingQueue {
        var queue = WaitingQueue()
        for id in 0..<count { queue.insert(QueuedRequest(slot: Int32(id), id: Int64(id), priority: 0, arrival: Instant(id), tokens: 5)) }
        return queue
    }

    @Test(
        "is asked nothing more after its first failure, which is counted by kind and time",
        arguments: [
            (ExternalAnswer<Int>.late, "late", "gave no answer in time"), (.wrong("nonsense"), "wrong", "answered nonsense"),
            (.gone("has ended"), "gone", "has ended"), (.given(3), "wrong", "answered worker 3 of 3"),
            (.given(-1), "wrong", "answered worker -1 of 3"),
        ])
    func failures(failure: ExternalAnswer<Int>, kind: String, reason: String) {
        let program = Scripted(routes: [.given(2), .given(0), failure, .given(1)])
        let policy = ExternalPolicy(program) { 7 }
        policy.begin(born: 0)
        #expect(policy.route(request(at: 10), among: workers) == 2)
        #expect(policy.route(request(at: 20), among: workers) == 0)
        #expect(policy.route(request(at: 30), among: workers) == nil)
        #expect(policy.route(request(at: 40), among: workers) == nil)
        policy.begin(born: 50)
        #expect(program.asked == 3 && program.begun == 1 && program.reasons == [reason])
        let counts = policy.counts
        #expect(counts.asked == 3 && counts.answered == 2 && counts.fallback == 2 && counts.since == 30)
        #expect([counts.late, counts.wrong, counts.gone] == ["late", "wrong", "gone"].map { $0 == kind ? 1 : 0 })
        #expect(!policy.isInCharge)
    }

    @Test("has requests join in its own order, each once, and only those that wait")
    func admissions() {
        let engine = EngineView(now: 3, blockSize: 16, freeBlocks: 10, totalBlocks: 10, tokenBudget: 100, maxBatch: 8)
        let policy = ExternalPolicy(Scripted(admissions: [.given([2, 0]), .given([])])) { 0 }
        #expect(policy.admit(from: queue(3), engine)?.map(\.id) == [2, 0])
        #expect(policy.admit(from: queue(3), engine)?.isEmpty == true)
        for places in [[3], [-1], [0, 1, 0]] {
            let policy = ExternalPolicy(Scripted(admissions: [.given(places)])) { 0 }
            #expect(policy.admit(from: queue(3), engine) == nil)
            #expect(policy.counts.wrong == 1 && policy.counts.fallback == 1)
        }
    }
}
