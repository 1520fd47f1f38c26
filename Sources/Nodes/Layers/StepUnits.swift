import Models
import Quantities

/// Hidden states that a member sends and receives in one step, those that stay inside its host apart: pairs of token and expert, or tokens where all
/// go everywhere. The same number comes back.
struct UnitSum {
    var all: Int64 = 0
    var near: Int64 = 0
}

/// The hidden states of a step as far as times depend on them, and the loads of the experts.
///
/// Times depend on what each rank sends and receives inside its host and beyond, and not on who sends how much to whom. So each rank's tokens by slot
/// are added to those of its host, and no matrix of all pairs of ranks is made.
struct StepUnits {
    let byAttention: UnsafeMutableBufferPointer<UnitSum>
    let byExpert: UnsafeMutableBufferPointer<UnitSum>
    /// What each attention rank keeps for its own experts.
    let kept: UnsafeMutableBufferPointer<Int64>
    /// Pairs and distinct experts by expert rank.
    let loads: UnsafeMutableBufferPointer<(pairs: Int64, distinct: Int32)>
    /// Where a token goes once to each host.
    let hosts: HostUnits

    init(_ shape: GangShape, in memory: LayerMemory) {
        byAttention = memory.take(shape.attentionRanks, UnitSum())
        byExpert = memory.take(shape.expertRanks, UnitSum())
        kept = memory.take(shape.attentionRanks, 0)
        loads = memory.take(shape.expertRanks, (0, 0))
        hosts = HostUnits(shape, in: memory)
    }
}

/// Adds up the tokens of all ranks in one step.
struct StepAdder {
    private let shape: GangShape
    private let slots: Int
    private let perRank: Int
    private let hosts: Int
    /// Host of each member; and of each host the slots of its experts, in runs, and how many expert ranks it has.
    private let hostOf: UnsafeMutableBufferPointer<Int>
    private let nearSlots: [[Range<Int>]]
    private let expertsOn: [Int]
    /// Whether what a rank keeps counts: it crosses no link, but a measured all-to-all has it in its fit.
    private let countsOwn: Bool
    /// Tokens by host of the sender and slot, and by host; and by slot.
    private let byHost: UnsafeMutableBufferPointer<Int32>
    private let tokensByHost: UnsafeMutableBufferPointer<Int64>
    private let totals: UnsafeMutableBufferPointer<Int32>
    /// Numbers of one byte of the host at hand, 16 at a time: those at even places and those at odd ones.
    private let lanes: UnsafeMutableBufferPointer<SIMD8<UInt16>>
    private var laneHost = -1
    private var laneRows = 0
    /// Rows of numbers up to 255 whose sums fit in 16 bits.
    private static let mostRows = 257
    /// Vectors of such numbers whose sum fits in lanes of 16 bits, two a lane.
    private static let mostVectors = 128

    init(_ shape: GangShape, in memory: LayerMemory) {
        self.shape = shape
        slots = shape.fleet.slots
        perRank = shape.fleet.slotsPerRank
        hosts = shape.membersByHost.count
        countsOwn = shape.isMeasured
        hostOf = memory.take(shape.hosts.count, 0)
        for member in shape.hosts.indices { hostOf[member] = shape.hosts[member] }
        var (runs, experts): ([[Range<Int>]], [Int]) = ([], [])
        for host in shape.membersByHost.indices {
            var own: [Range<Int>] = []
            for expert in 0..<shape.expertRanks where shape.hosts[shape.member(ofExpert: expert)] == host {
                let next = shape.slots(ofExpert: expert)
                if let last = own.last, last.upperBound == next.lowerBound {
                    own[own.count - 1] = last.lowerBound..<next.upperBound
                } else {
                    own.append(next)
                }
            }
            experts.append(own.reduce(0) { $0 + $1.count } / max(1, shape.fleet.slotsPerRank))
            runs.append(own)
        }
        nearSlots = runs
        expertsOn = experts
        byHost = memory.take(hosts * slots, 0)
        tokensByHost = memory.take(hosts, 0)
        totals = memory.take(slots, 0)
        lanes = memory.take(slots / 16 * 2, .zero)
    }

    mutating func begin(_ units: StepUnits) {
        units.hosts.clear()
        byHost.update(repeating: 0)
        tokensByHost.update(repeating: 0)
        laneHost = -1
        laneRows = 0
    }

    /// Adds an attention rank's tokens by slot.
    /// - Parameter width: bytes of each number.
    mutating func add(_ row: UnsafeRawPointer, width: Int, of rank: Int, tokens: Int64, to units: StepUnits) {
        let host = hostOf[rank]
        let own = shape.gang.isDisaggregated ? 0..<0 : rank * perRank..<(rank + 1) * perRank
        var sum = UnitSum()
        var kept: Int64 = 0
        switch width {
        case 1:
            sum.all = addBytes(row, host: host)
            for run in nearSlots[host] { sum.near += Self.sum(row + run.lowerBound, run.count) }
            for slot in own { kept += Int64(row.load(fromByteOffset: slot, as: UInt8.self)) }
        case 2:
            let numbers = UnsafeBufferPointer(start: row.assumingMemoryBound(to: UInt16.self), count: slots)
            (sum, kept) = addNumbers(numbers, host: host, own: own)
        default:
            let numbers = UnsafeBufferPointer(start: row.assumingMemoryBound(to: Int32.self), count: slots)
            (sum, kept) = addNumbers(numbers, host: host, own: own)
        }
        if shape.sendsEverything {
            tokensByHost[host] += tokens
            sum = UnitSum(all: tokens * Int64(shape.expertRanks), near: tokens * Int64(expertsOn[host]))
            kept = own.isEmpty ? 0 : tokens
        }
        if let rails = shape.rails { add(row + slots * width, width: width, of: rank, rails, to: units.hosts) }
        units.kept[rank] = kept
        units.byAttention[rank] = countsOwn ? sum : UnitSum(all: sum.all - kept, near: sum.near - kept)
    }

    /// Adds numbers of tokens that reach hosts and ranks, which stand behind those by slot.
    private func add(_ row: UnsafeRawPointer, width: Int, of rank: Int, _ rails: HostRails, to units: HostUnits) {
        switch width {
        case 1: units.add(row.assumingMemoryBound(to: UInt8.self), of: rank, shape, rails)
        case 2: units.add(row.assumingMemoryBound(to: UInt16.self), of: rank, shape, rails)
        default: units.add(row.assumingMemoryBound(to: Int32.self), of: rank, shape, rails)
        }
    }

    @inline(__always)
    private func addNumbers<Number: FixedWidthInteger>(
        _ row: UnsafeBufferPointer<Number>, host: Int, own: Range<Int>
    ) -> (UnitSum, kept: Int64) {
        let target = UnsafeMutableBufferPointer(rebasing: byHost[host * slots..<(host + 1) * slots])
        var sum = UnitSum()
        for slot in 0..<slots {
            target[slot] &+= Int32(truncatingIfNeeded: row[slot])
            sum.all += Int64(row[slot])
        }
        for run in nearSlots[host] { for slot in run { sum.near += Int64(row[slot]) } }
        var kept: Int64 = 0
        for slot in own { kept += Int64(row[slot]) }
        return (sum, kept)
    }

    /// Adds numbers of one byte to those of a host; answers their sum.
    @inline(__always)
    private mutating func addBytes(_ row: UnsafeRawPointer, host: Int) -> Int64 {
        if host != laneHost || laneRows == Self.mostRows { flush(next: host) }
        laneRows += 1
        var all: Int64 = 0
        let vectors = slots / 16
        var vector = 0
        while vector < vectors {
            let end = min(vectors, vector + Self.mostVectors)
            var sum = SIMD8<UInt16>.zero
            while vector < end {
                let both = row.loadUnaligned(fromByteOffset: 16 * vector, as: SIMD8<UInt16>.self)
                let (even, odd) = (both & 0xFF, both &>> 8)
                lanes[2 * vector] &+= even
                lanes[2 * vector + 1] &+= odd
                sum &+= even &+ odd
                vector += 1
            }
            for lane in 0..<8 { all += Int64(sum[lane]) }
        }
        for slot in 16 * vectors..<slots {
            let number = row.load(fromByteOffset: slot, as: UInt8.self)
            byHost[host * slots + slot] &+= Int32(number)
            all += Int64(number)
        }
        return all
    }

    /// The sum of bytes.
    @inline(__always)
    private static func sum(_ row: UnsafeRawPointer, _ count: Int) -> Int64 {
        var all: Int64 = 0
        var place = 0
        while count - place >= 16 {
            let end = min(count & ~15, place + 16 * mostVectors)
            var sum = SIMD8<UInt16>.zero
            while place < end {
                let both = row.loadUnaligned(fromByteOffset: place, as: SIMD8<UInt16>.self)
                sum &+= (both & 0xFF) &+ (both &>> 8)
                place += 16
            }
            for lane in 0..<8 { all += Int64(sum[lane]) }
        }
        while place < count {
            all += Int64(row.load(fromByteOffset: place, as: UInt8.self))
            place += 1
        }
        return all
    }

    private mutating func flush(next host: Int) {
        if laneRows > 0 {
            let base = laneHost * slots
            for vector in 0..<slots / 16 {
                let (even, odd) = (lanes[2 * vector], lanes[2 * vector + 1])
                for lane in 0..<8 {
                    byHost[base + 16 * vector + 2 * lane] &+= Int32(even[lane])
                    byHost[base + 16 * vector + 2 * lane + 1] &+= Int32(odd[lane])
                }
                lanes[2 * vector] = .zero
                lanes[2 * vector + 1] = .zero
            }
        }
        laneHost = host
        laneRows = 0
    }

    /// All ranks are added: what each expert rank gets. Answers the sum and the largest of the experts' loads.
    mutating func finish(_ units: StepUnits) -> (sum: Int64, most: Int64) {
        flush(next: -1)
        totals.update(repeating: 0)
        for host in 0..<hosts {
            let row = UnsafeMutableBufferPointer(rebasing: byHost[host * slots..<(host + 1) * slots])
            for slot in 0..<slots { totals[slot] &+= row[slot] }
        }
        let allTokens = tokensByHost.reduce(0, +)
        var (all, most): (Int64, Int64) = (0, 0)
        for expert in 0..<shape.expertRanks {
            let member = shape.member(ofExpert: expert)
            let host = hostOf[member]
            var (pairs, near, distinct): (Int64, Int64, Int32) = (0, 0, 0)
            for slot in expert * perRank..<(expert + 1) * perRank {
                let total = totals[slot]
                pairs += Int64(total)
                distinct += total > 0 ? 1 : 0
                near += Int64(byHost[host * slots + slot])
            }
            units.loads[expert] = (pairs, distinct)
            all += pairs
            most = max(most, pairs)
            var sum = shape.sendsEverything ? UnitSum(all: allTokens, near: tokensByHost[host]) : UnitSum(all: pairs, near: near)
            if !countsOwn, !shape.gang.isDisaggregated {
                sum.all -= units.kept[expert]
                sum.near -= units.kept[expert]
            }
            units.byExpert[expert] = sum
        }
        return (all, most)
    }
}

/// Messages that a member sends, and the bytes that they stand for.
public struct Traffic: Sendable, Equatable {
    public var messages: Int64 = 0
    public var bytes: ByteCount = 0

    public init() {}

    @inline(__always)
    mutating func add(messages: Int, bytes: ByteCount) {
        self.messages += Int64(messages)
        self.bytes += bytes
    }
}
