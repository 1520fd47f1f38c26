import CSystem
import Cluster
import Foundation
import Quantities
import TestKit
import Testing

@testable import Transport

@Suite("A gang's line")
struct GangLineTests {
    private func withLines(_ count: Int, hubs: [Int] = [0], _ body: ([GangLine]) throws -> Void) throws {
        try withSocketDirectory { directory in
            let lines = try (0..<count).map { node in
                let own = hubs.last { $0 <= node } ?? 0
                return try GangLine(directory: directory, hubs: GangLine.Hubs(own: own, all: hubs), node: node, count: count)
            }
            for line in lines { try line.connect() }
            try body(lines)
        }
    }

    private func receive(_ line: GangLine) throws -> [UInt8]? {
        var found: [UInt8]?
        for _ in 0..<50 where found == nil { _ = try line.receive(waits: true) { found = Array($0) } }
        return found
    }

    private func send(_ frame: [UInt8], _ line: GangLine, to target: Int) throws -> Bool {
        try frame.withUnsafeBytes { try line.send($0, to: target) }
    }

    @Test("carries frames both ways, whole and in order, whatever their size")
    func sizes() throws {
        var random = RandomStream(seed: 1, stream: 1)
        let frames = [0, 1, 65_535, 65_536, 65_537, 131_072, 3].map { size in (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) } }
        try withLines(3) { lines in
            for frame in frames {
                for rank in [1, 2] {
                    let isSent = try send(frame, lines[rank], to: 0)
                    #expect(isSent)
                    let isThere = try receive(lines[0]) == frame
                    #expect(isThere)
                    let isAnswered = try send(frame, lines[0], to: rank)
                    #expect(isAnswered)
                    let isBack = try receive(lines[rank]) == frame
                    #expect(isBack)
                }
            }
        }
    }

    @Test("leads from hub to hub")
    func hubs() throws {
        try withLines(6, hubs: [0, 2, 4]) { lines in
            for (source, target) in [(0, 2), (2, 0), (0, 4), (4, 2), (2, 4), (4, 0), (5, 4), (4, 5)] {
                // Whoever is called learns who calls with the first frame.
                guard try send([7, UInt8(source)], lines[source], to: target) else {
                    Issue.record("no way from \(source) to \(target)")
                    continue
                }
                let isThere = try receive(lines[target]) == [7, UInt8(source)]
                #expect(isThere)
            }
            let isDirect = try send([1], lines[1], to: 3)
            #expect(!isDirect, "ranks of different hubs have no way of their own")
        }
    }

    @Test("gets through when both ends send more than the system holds before they receive")
    func crowded() throws {
        let frame = [UInt8](repeating: 5, count: 3_000_000)
        try withLines(2) { lines in
            let isConnected = try send([1], lines[1], to: 0)
            #expect(isConnected)
            let isKnown = try receive(lines[0]) == [1]
            #expect(isKnown)
            let rank = Box(lines[1])
            let thread = Thread {
                rank.sent = (try? frame.withUnsafeBytes { try rank.line.send($0, to: 0) }) ?? false
                rank.received = (try? self.receive(rank.line)) ?? nil
                rank.done.signal()
            }
            thread.start()
            let isSent = try send(frame, lines[0], to: 1)
            #expect(isSent)
            let isWhole = try receive(lines[0]) == frame
            #expect(isWhole)
            rank.done.wait()
            #expect(rank.sent && rank.received == frame)
        }
    }

    @Test("an end that sleeps takes in what is sent to it when there is no more room, and nothing is lost")
    func knocking() throws {
        try withSocketDirectory { directory in
            let hubs = GangLine.Hubs(own: 1, all: [1], ends: [0])
            let end = try GangLine(directory: directory, hubs: GangLine.Hubs(own: 0, all: []), node: 0, count: 3)
            let ranks = try [1, 2].map { try GangLine(directory: directory, hubs: hubs, node: $0, count: 3) }
            for rank in ranks { try rank.connect() }
            let isForEnd = ranks.allSatisfy { $0.leadsToEnd(0) && !$0.leadsToEnd(1) }
            #expect(end.isEnd && isForEnd)
            var word: [Int32] = [0, 0]
            try #require(pipe(&word) == 0)
            defer { for each in word { close(each) } }
            // More than any socket holds.
            let frames = 400
            let senders = ranks.map { Box($0) }
            for sender in senders {
                Thread {
                    let frame = [UInt8](repeating: 3, count: 40_000)
                    sender.sent = (0..<frames).allSatisfy { _ in (try? frame.withUnsafeBytes { try sender.line.send($0, to: 0) }) ?? false }
                    sender.done.signal()
                }.start()
            }
            let last = word[1]
            Thread {
                for sender in senders { sender.done.wait() }
                _ = write(last, [1], 1)
            }.start()
            var sizes: [Int] = []
            try end.wait(for: word[0]) { sizes.append($0.count) }
            while try end.receiveWaiting({ sizes.append($0.count) }) {}
            let areSent = senders.allSatisfy { $0.sent }
            #expect(areSent)
            #expect(sizes.count == 2 * frames && sizes.allSatisfy { $0 == 40_000 })
        }
    }

    @Test("says that an end is gone, once what it had sent is there")
    func gone() throws {
        try withSocketDirectory { directory in
            let hub = try GangLine(directory: directory, hubs: GangLine.Hubs(own: 0, all: [0]), node: 0, count: 2)
            var rank: GangLine? = try GangLine(directory: directory, hubs: GangLine.Hubs(own: 0, all: [0]), node: 1, count: 2)
            try rank?.connect()
            if let rank { _ = try send([9], rank, to: 0) }
            rank = nil
            let isKept = try receive(hub) == [9]
            #expect(isKept)
            let isMore = try hub.receive(waits: true) { _ in }
            #expect(!isMore)
            let isThere = try send([1], hub, to: 1)
            #expect(!isThere)
        }
    }

    @Test(
        "takes nothing of a connection that does not name its node", arguments: [[1, 2], [9, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF], [1, 0, 0, 0, 0]])
    func strangers(name: [UInt8]) throws {
        try withSocketDirectory { directory in
            let hub = try GangLine(directory: directory, hubs: GangLine.Hubs(own: 0, all: [0]), node: 0, count: 2)
            let stranger = testbed_connect_for_packets("\(directory)/gang-0")
            defer { close(stranger) }
            for packet in [name, [0, 5, 6]] { _ = packet.withUnsafeBytes { Glibc.send(stranger, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) } }
            for _ in 0..<3 {
                let isTaken = try hub.receive(waits: true) { _ in }
                #expect(!isTaken)
            }
        }
    }

    /// What a thread hands over.
    private final class Box: @unchecked Sendable {
        let line: GangLine
        var sent = false
        var received: [UInt8]?
        let done = DispatchSemaphore(value: 0)
        init(_ line: GangLine) { self.line = line }
    }
}

@Suite("A gang's relay")
struct GangRelayTests {
    @Test("gives every rank every other rank's message once, in one frame each way", arguments: [4, 5, 8, 13, 32], [1, 2, 3, 8, 64])
    func exchange(ranks: Int, processors: Int) throws {
        var plan = gangPlan(attention: ranks)
        plan.clock = .virtual
        let layout = ClusterLayout(plan)
        let gang = try #require(layout.gangs.first?.attention)
        var relays: [Int: GangRelay] = [:]
        for node in gang { relays[node] = GangRelay(layout.nodes[node], of: plan, layout, processors: processors) }
        #expect(relays.count == ranks)
        // A message is its sender's number; a frame of several is their numbers one after the other.
        var got = [[UInt8]](repeating: [], count: layout.nodes.count)
        var frames = [Int](repeating: 0, count: layout.nodes.count)
        var underWay: [(source: Int, target: Int, frame: [UInt8])] = []
        for node in gang {
            let hub = try #require(relays[node]?.hub)
            if hub == node { relays[node]?.addForAll([UInt8(node)], from: node) } else { underWay.append((node, hub, [UInt8(node)])) }
        }
        while !underWay.isEmpty {
            let next = underWay.removeFirst()
            got[next.target].append(contentsOf: next.frame)
            frames[next.target] += 1
            guard relays[next.target]?.isHere == true else { continue }
            for message in next.frame { relays[next.target]?.addForAll([message], from: next.source) }
            relays[next.target]?.flush(isComplete: true) { underWay.append((next.target, $1, Array($0))) }
        }
        for node in gang {
            let others = gang.filter { $0 != node }.map { UInt8($0) }
            #expect(got[node].sorted() == others)
            if relays[node]?.isHere == false { #expect(frames[node] == 1) }
        }
        #expect(relays[gang[0]]?.hubs.count == max(1, min(processors, ranks / 4)))
    }
}
