import Policies
import Testing

@Suite("Llumnix")
struct LlumnixTests {
    private func worker(used: Int64, running: Int64, head: Int64 = 0, urgent: Int64 = 0) -> WorkerView {
        var view = WorkerView(totalBlocks: 1000, blockSize: 16)
        view.usedBlocks = used
        view.runningRequests = running
        view.headBlocks = head
        view.urgentRequests = urgent
        return view
    }

    private func policy(_ parameters: [String: Double] = [:]) -> Llumnix {
        Llumnix(parameters: PolicyParameters(PolicyChoice("llumnix", parameters: parameters), for: Llumnix.description))
    }

    @Test("freeness is what nobody claims, over the batch: the head of the queue claims its demand, urgent requests share a headroom")
    func freeness() {
        let policy = policy(["headroom": 50])
        #expect(policy.freeness(worker(used: 900, running: 10)) == 10)
        #expect(policy.freeness(worker(used: 900, running: 10, head: 300)) == -20)
        #expect(policy.freeness(worker(used: 900, running: 10, urgent: 1)) == 5)
        #expect(policy.freeness(worker(used: 900, running: 10, urgent: 7)) == 5)
        #expect(policy.freeness(worker(used: 0, running: 0)) == 1000)
    }

    @Test("pairs the least free with the freest, nobody in between, and no worker that moves one already or has but one")
    func pairs() {
        var policy = policy()
        let workers = [
            worker(used: 950, running: 10), worker(used: 0, running: 2), worker(used: 800, running: 10), worker(used: 990, running: 10),
            worker(used: 500, running: 10),
        ]
        #expect(policy.pairs(among: workers) == [MigrationPair(source: 3, target: 1), MigrationPair(source: 0, target: 4)])
        var busy = workers
        busy[3].isMigrating = true
        #expect(policy.pairs(among: busy) == [MigrationPair(source: 0, target: 1)])
        #expect(policy.pairs(among: [worker(used: 995, running: 1), worker(used: 0, running: 0)]).isEmpty)
    }

    @Test("a worker whose free blocks are not enough for the head of its queue is made free, though its blocks are not all used")
    func defragmentation() {
        var policy = policy()
        let fragmented = [worker(used: 700, running: 4), worker(used: 700, running: 4, head: 400)]
        #expect(policy.pairs(among: fragmented) == [MigrationPair(source: 1, target: 0)])
        #expect(policy.pairs(among: [fragmented[0], worker(used: 700, running: 4)]).isEmpty)
    }
}
