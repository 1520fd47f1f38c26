import Nodes
import Quantities
import Testing
import Time

@Suite("Messages awaited and received")
struct ArrivalsTests {
    @Test("nothing is missing exactly when every announced message has come, in whatever order", arguments: UInt64(0)..<10)
    func anyOrder(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 1)
        var arrivals = Arrivals(nodes: 4)
        var announced = [0, 0, 0, 0]
        var received = [0, 0, 0, 0]
        for _ in 0..<500 {
            let source = random.below(4)
            if random.below(3) == 0 {
                let count = 1 + random.below(4)
                arrivals.announce([Grant.Awaited(source: Int32(source), count: UInt32(count))])
                announced[source] += count
            } else {
                arrivals.count(from: Int32(source))
                received[source] += 1
            }
            let missing = zip(announced, received).reduce(0) { $0 + max(0, $1.0 - $1.1) }
            #expect(arrivals.missing == Int64(missing))
        }
    }

    @Test("an announcement from a node that does not exist is not waited for")
    func unknownSource() {
        var arrivals = Arrivals(nodes: 2)
        arrivals.announce([Grant.Awaited(source: -1, count: 5), Grant.Awaited(source: 2, count: 5), Grant.Awaited(source: 1, count: 1)])
        #expect(arrivals.missing == 1)
    }
}
