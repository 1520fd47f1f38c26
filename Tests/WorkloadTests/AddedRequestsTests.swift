import Quantities
import Testing
import Workload

@Suite("Requests that are added on the way")
struct AddedRequestsTests {
    private func request(_ id: Int64, at arrival: Instant) -> RequestSpec {
        RequestSpec(id: id, arrival: arrival, promptTokens: 1, outputTokens: 1)
    }

    @Test("come in order of arrival, those of one time in the order in which they were added")
    func order() {
        let added = AddedRequests()
        #expect(added.nextArrival == .never)
        for (id, time) in [(0, 30), (1, 10), (2, 30), (3, 20), (4, 10)] { added.add(request(Int64(id), at: Instant(time))) }
        #expect(added.nextArrival == 10)
        var ids: [Int64] = []
        while let next = added.next() { ids.append(next.id) }
        #expect(ids == [1, 4, 3, 0, 2])
        #expect(added.nextArrival == .never)
    }

    @Test("do not come before what has been offered already")
    func late() {
        let added = AddedRequests()
        added.add(request(0, at: 5), notBefore: 12)
        #expect(added.next()?.arrival == 12)
    }
}
