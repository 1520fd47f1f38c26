/// Where the experts of a layer are, for numbers of tokens that reach a host or a rank: that pick at least one expert there.
///
/// Numbers stand behind those by expert or slot, one for each host and then one for each rank. A pick of an expert with several replicas goes to them
/// in turns, as `EvenShares` of the balancing policies divides them.
public struct ExpertReach: Sendable, Equatable {
    /// Host of each rank, and how many hosts there are.
    private let hostOf: [Int32]
    public let hosts: Int
    private let slotsPerRank: Int
    /// Where each expert's replicas begin in `replicas`, and the ranks that they are on.
    private let starts: [Int32]
    private let replicas: [Int32]
    /// Whether an expert has more than one.
    public let hasReplicas: Bool

    /// Nothing is anywhere.
    public init() { self.init(slots: [], slotsPerRank: 1, experts: 0, hosts: []) }

    /// - Parameters:
    ///   - slots: the expert in each slot, -1 in an empty one; slot s is on rank s / `slotsPerRank`.
    ///   - experts: how many experts there are.
    ///   - hosts: host of each rank, numbered from 0.
    public init(slots: [Int32], slotsPerRank: Int, experts: Int, hosts: [Int]) {
        hostOf = hosts.map { Int32($0) }
        self.hosts = (hosts.max() ?? -1) + 1
        self.slotsPerRank = max(1, slotsPerRank)
        var byExpert = [[Int32]](repeating: [], count: experts)
        for (slot, expert) in slots.enumerated() where expert >= 0 && Int(expert) < experts {
            byExpert[Int(expert)].append(Int32(slot / self.slotsPerRank))
        }
        var starts: [Int32] = [0]
        for ranks in byExpert { starts.append((starts.last ?? 0) + Int32(ranks.count)) }
        self.starts = starts
        replicas = byExpert.flatMap { $0 }
        hasReplicas = byExpert.contains { $0.count > 1 }
    }

    /// How many ranks there are.
    public var ranks: Int { hostOf.count }
    /// How many numbers there are.
    public var count: Int { hosts + ranks }

    @inline(__always)
    func host(of rank: Int) -> Int { Int(hostOf[rank]) }

    /// Where each expert's replicas begin, and at the end where the last one's end; the ranks that they are on; and the host of each rank.
    func withTables<Result>(
        _ body: (_ starts: UnsafeBufferPointer<Int32>, _ replicas: UnsafeBufferPointer<Int32>, _ hostOf: UnsafeBufferPointer<Int32>) -> Result
    ) -> Result {
        starts.withUnsafeBufferPointer { starts in
            replicas.withUnsafeBufferPointer { replicas in hostOf.withUnsafeBufferPointer { body(starts, replicas, $0) } }
        }
    }

    // MARK: - Expectations

    /// Overwrites the numbers behind those by expert with what is expected given these, all replicas of an expert alike, as far as they allow it.
    func expect(_ numbers: UnsafeMutableBufferPointer<Int32>, topK: Int, tokens: Int) {
        let experts = starts.count - 1
        guard tokens > 0, numbers.count >= experts + count else { return }
        var sums = PickSums(ranks: ranks, topK: topK, tokens: tokens)
        for expert in 0..<experts where numbers[expert] > 0 {
            let places = Int(starts[expert])..<Int(starts[expert + 1])
            let share = Double(numbers[expert]) / Double(places.count)
            for place in places { sums.add(share, on: Int(replicas[place])) }
        }
        write(sums, to: UnsafeMutableBufferPointer(rebasing: numbers[experts..<experts + count]))
    }

    /// Adds to numbers by slot those of tokens that are expected to reach each host and rank given these.
    public func expect(bySlot numbers: inout [Int32], topK: Int, tokens: Int) {
        let slots = numbers.count
        numbers.append(contentsOf: repeatElement(0, count: count))
        guard tokens > 0 else { return }
        var sums = PickSums(ranks: ranks, topK: topK, tokens: tokens)
        for slot in 0..<min(slots, ranks * slotsPerRank) where numbers[slot] > 0 { sums.add(Double(numbers[slot]), on: slot / slotsPerRank) }
        numbers.withUnsafeMutableBufferPointer { numbers in
            write(sums, to: UnsafeMutableBufferPointer(rebasing: numbers[slots..<slots + count]))
        }
    }

    private func write(_ sums: PickSums, to reached: UnsafeMutableBufferPointer<Int32>) {
        let byRank = sums.reached(groups: ranks) { $0 }
        let byHost = sums.reached(groups: hosts) { host(of: $0) }
        for host in 0..<hosts {
            var (most, all): (Int32, Int32) = (0, 0)
            for rank in 0..<ranks where self.host(of: rank) == host {
                let number = Int32(min(max(byRank[rank], sums.fullest[rank]), sums.picks[rank], sums.tokens).rounded(.toNearestOrEven))
                reached[hosts + rank] = number
                (most, all) = (max(most, number), all &+ number)
            }
            reached[host] = min(max(Int32(byHost[host].rounded(.toNearestOrEven)), most), all, Int32(sums.tokens))
        }
    }

    /// Brings the numbers of tokens within what those by slot allow: on a rank at least those of its fullest slot, and at most those of all its slots;
    /// on a host at least those of its fullest rank, and at most those of all its ranks. Where every expert has one replica they are already.
    public func tighten(_ numbers: UnsafeMutableBufferPointer<Int32>, tokens: Int) { bring(numbers, tokens) }

    /// The same in bytes.
    public func tighten(_ numbers: UnsafeMutableBufferPointer<UInt8>, tokens: Int) { bring(numbers, tokens) }

    @inline(__always)
    private func bring<Number: FixedWidthInteger>(_ numbers: UnsafeMutableBufferPointer<Number>, _ tokens: Int) {
        let slots = ranks * slotsPerRank
        guard numbers.count >= slots + count else { return }
        let (byHost, byRank) = (slots, slots + hosts)
        // By host: tokens of its fullest rank, and of all its ranks.
        withUnsafeTemporaryAllocation(of: (most: Int, all: Int).self, capacity: hosts) { sums in
            sums.initialize(repeating: (0, 0))
            hostOf.withUnsafeBufferPointer { hostOf in
                var slot = 0
                for rank in 0..<hostOf.count {
                    var (fullest, pairs) = (0, 0)
                    for _ in 0..<slotsPerRank {
                        let number = Int(truncatingIfNeeded: numbers[slot])
                        fullest = number > fullest ? number : fullest
                        pairs &+= number
                        slot &+= 1
                    }
                    let reached = min(max(Int(truncatingIfNeeded: numbers[byRank + rank]), fullest), pairs, tokens)
                    numbers[byRank + rank] = Number(truncatingIfNeeded: reached)
                    let host = Int(hostOf[rank])
                    sums[host] = (max(sums[host].most, reached), sums[host].all &+ reached)
                }
            }
            for host in 0..<hosts {
                let reached = min(max(Int(truncatingIfNeeded: numbers[byHost + host]), sums[host].most), sums[host].all, tokens)
                numbers[byHost + host] = Number(truncatingIfNeeded: reached)
            }
        }
    }
}

/// The chance that none of a token's picks is among some experts, given how many of the tokens pick each.
///
/// Of all ways to pick `topK` different experts, each has the product of its experts' odds as weight (conditional Poisson sampling, Hájek 1964), so
/// that the chance is a ratio of two elementary symmetric polynomials of degree `topK`: that of the odds of the others, and that of all. An expert's
/// odds are those of the share of tokens that pick it. Exact where all experts are alike: `C(E - G, k) / C(E, k)`.
struct PickSums {
    private let ranks: Int
    private let topK: Int
    let tokens: Double
    /// By rank: picks of its experts, and of the one with most.
    private(set) var picks: [Double]
    private(set) var fullest: [Double]
    /// By rank: the elementary symmetric polynomials of its odds, of degrees 0 to `topK`.
    private var polynomials: [Double]

    init(ranks: Int, topK: Int, tokens: Int) {
        self.ranks = ranks
        self.topK = topK
        self.tokens = Double(tokens)
        picks = [Double](repeating: 0, count: ranks)
        fullest = picks
        polynomials = [Double](repeating: 0, count: ranks * (topK + 1))
        for rank in 0..<ranks { polynomials[rank * (topK + 1)] = 1 }
    }

    /// Adds an expert that `number` of the tokens pick.
    mutating func add(_ number: Double, on rank: Int) {
        picks[rank] += number
        fullest[rank] = max(fullest[rank], number)
        // Kept below what all tokens pick, whose odds are infinite.
        let share = min(number / tokens, 1 - 0x1p-20)
        let odds = share / (1 - share)
        let first = rank * (topK + 1)
        for degree in stride(from: topK, to: 0, by: -1) { polynomials[first + degree] += odds * polynomials[first + degree - 1] }
    }

    /// Expected numbers of tokens that pick something of each group of ranks.
    func reached(groups: Int, of group: (Int) -> Int) -> [Double] {
        let size = topK + 1
        var own = [Double](repeating: 0, count: groups * size)
        for place in 0..<groups { own[place * size] = 1 }
        for rank in 0..<ranks {
            let product = multiply(own, group(rank) * size, polynomials, rank * size)
            for degree in 0..<size { own[group(rank) * size + degree] = product[degree] }
        }
        // Products of all groups before one, and of all after it.
        var one = [Double](repeating: 0, count: size)
        one[0] = 1
        var after = [[Double]](repeating: one, count: groups + 1)
        for place in stride(from: groups - 1, through: 0, by: -1) { after[place] = multiply(after[place + 1], 0, own, place * size) }
        let all = after[0][topK]
        guard all > 0 else { return [Double](repeating: 0, count: groups) }
        var before = one
        return (0..<groups).map { place in
            var others = 0.0
            for degree in 0..<size { others += before[degree] * after[place + 1][topK - degree] }
            before = multiply(before, 0, own, place * size)
            return tokens * max(0, 1 - others / all)
        }
    }

    private func multiply(_ one: [Double], _ first: Int, _ other: [Double], _ second: Int) -> [Double] {
        var product = [Double](repeating: 0, count: topK + 1)
        for degree in 0...topK {
            for part in 0...degree { product[degree] += one[first + part] * other[second + degree - part] }
        }
        return product
    }
}
