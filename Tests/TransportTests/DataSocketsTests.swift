import Foundation
import Quantities
import Testing
import Transport

@Suite("Data sockets")
struct DataSocketsTests {
    @Test("carry frames between two nodes, in order and whole, whatever their size")
    func sendAndReceive() throws {
        try withSocketDirectory { directory in
            let left = try DataSockets(directory: directory, node: 0, count: 2)
            let right = try DataSockets(directory: directory, node: 1, count: 2)
            var random = RandomStream(seed: 1, stream: 1)
            let frames = (0..<200).map { place in
                (0..<[0, 1, 100, 70_000][place % 4]).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            }
            for frame in frames {
                try frame.withUnsafeBytes { try left.send($0, to: 1) }
                try frame.withUnsafeBytes { try right.send($0, to: 0) }
            }
            for sockets in [right, left] {
                var received: [[UInt8]] = []
                while received.count < frames.count {
                    try sockets.wait(or: [], milliseconds: 5000)
                    let before = received.count
                    while try sockets.receive({ received.append(Array($0)) }) {}
                    try #require(received.count > before, "nothing came for five seconds")
                }
                #expect(received == frames)
            }
        }
    }

    @Test("deliver what is sent before the receiver is there")
    func early() throws {
        try withSocketDirectory { directory in
            let sender = try DataSockets(directory: directory, node: 0, count: 2)
            try [7, 8, 9].withUnsafeBytes { try sender.send($0, to: 1) }
            let receiver = try DataSockets(directory: directory, node: 1, count: 2)
            var sizes: [Int] = []
            while sizes.isEmpty {
                try receiver.wait(or: [], milliseconds: 5000)
                while try receiver.receive({ sizes.append($0.count) }) {}
            }
            #expect(sizes == [24])
        }
    }

    @Test("say what is wrong with a directory that is not there")
    func missingDirectory() {
        #expect(throws: SystemError.self) { try DataSockets(directory: "/nowhere/at/all", node: 0, count: 2) }
    }
}
