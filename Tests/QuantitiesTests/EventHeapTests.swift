import Quantities
import Testing

@Test("events leave the heap in the order of a sort, whatever the order of pushes and pops")
func heapSorts() {
    var random = RandomStream(seed: 11, stream: 0)
    for _ in 0..<40 {
        var heap = EventHeap<Int>()
        var model: [(key: EventKey, payload: Int)] = []
        for step in 0..<600 {
            if random.unit() < 0.6 || model.isEmpty {
                // Few values, so that ties in time and source are common.
                let key = EventKey(time: Int64(random.below(20)), source: Int32(random.below(3)), sequence: UInt32(step))
                heap.push(step, at: key)
                model.append((key, step))
            } else {
                let earliest = model.indices.min { model[$0].key < model[$1].key } ?? 0
                let expected = model.remove(at: earliest)
                let found = heap.pop()
                #expect(found?.key == expected.key)
                #expect(found?.payload == expected.payload)
            }
            #expect(heap.count == model.count)
            #expect(heap.first == model.map(\.key).min())
            #expect(heap.firstTime == model.map(\.key.time).min() ?? .never)
        }
        var held: Set<Int> = []
        heap.forEach { _, payload in held.insert(payload) }
        #expect(held == Set(model.map(\.payload)))
        var last: EventKey?
        while let (key, _) = heap.pop() {
            if let last { #expect(last < key) }
            last = key
        }
        let isEmpty = heap.isEmpty
        #expect(isEmpty)
        let none = heap.pop()
        #expect(none == nil)
    }
}

@Test("a popped payload is let go at once")
func heapReleasesPayloads() {
    final class Witness {}
    var heap = EventHeap<Witness>()
    weak var witness: Witness?
    do {
        let strong = Witness()
        witness = strong
        heap.push(strong, at: EventKey(time: 1, source: 0, sequence: 0))
    }
    #expect(witness != nil)
    _ = heap.pop()
    #expect(witness == nil)
}

@Test("keys compare by time, then source, then sequence")
func keyOrder() {
    let ordered = [
        EventKey(time: -1, source: 9, sequence: 9), EventKey(time: 0, source: -1, sequence: 9), EventKey(time: 0, source: 0, sequence: 0),
        EventKey(time: 0, source: 0, sequence: .max), EventKey(time: 1, source: 0, sequence: 0),
    ]
    #expect(ordered.reversed().sorted() == ordered)
}
