import Quantities

/// The three steps of EPLB: packing with equal numbers, replication, and both within hosts.
public enum ReplicaPlanner {
    /// Packs items so that every pack gets the same number of them: heaviest first, each into the lightest pack that has room. Ties go
    /// to the item and to the pack of lowest index. One item a pack: item i into pack i. O(items (log items + packs)).
    ///
    /// Longest processing time first (Graham 1969) with a limit on numbers, under which its 4/3 is not proved.
    /// - Precondition: the number of items is a multiple of `packs`.
    /// - Returns: the items of each pack, in the order in which they went in.
    public static func pack(_ weights: [Double], into packs: Int) -> [[Int]] {
        precondition(packs > 0 && weights.count.isMultiple(of: packs), "\(weights.count) items do not fill \(packs) packs equally")
        let size = weights.count / packs
        if size == 1 { return weights.indices.map { [$0] } }
        // Packs that have room, in their order: few operations a look, for this runs for every layer of every rank.
        var open = Array(0..<packs)
        var loads = [Double](repeating: 0, count: packs)
        var filled = [Int](repeating: 0, count: packs)
        var contents = [Int](repeating: 0, count: weights.count)
        for item in heaviestFirst(weights) {
            let place = loads.withUnsafeBufferPointer { loads in
                open.withUnsafeBufferPointer { open in
                    var best = 0
                    for place in 1..<max(open.count, 1) where loads[open[place]] < loads[open[best]] { best = place }
                    return best
                }
            }
            let pack = open[place]
            contents[pack * size + filled[pack]] = item
            filled[pack] += 1
            loads[pack] += weights[item]
            if filled[pack] == size { open.remove(at: place) }
        }
        return (0..<packs).map { Array(contents[$0 * size..<($0 + 1) * size]) }
    }

    /// Adds replicas one at a time, each to the expert with the largest load a replica, until there are `replicas` in all. Ties go to
    /// the lowest index. O(replicas * experts).
    ///
    /// The result minimises the largest load of a replica, for that number of them. Let its maximum be w/c of expert i. Another
    /// choice of numbers with a smaller maximum has more than c replicas of i, and for every other j at least as many as here: the last
    /// replica of j was added while w_j over one replica less was at least the maximum at that time, which is at least w/c. So it
    /// has more replicas in all.
    /// - Returns: the expert of each replica: first one of each in order, then those added.
    public static func replicate(_ weights: [Double], replicas: Int) -> [Int] {
        var counts = [Double](repeating: 1, count: weights.count)
        var experts = Array(weights.indices)
        guard !weights.isEmpty else { return experts }
        var loads = weights
        while experts.count < replicas {
            var heaviest = 0
            for expert in loads.indices where loads[expert] > loads[heaviest] { heaviest = expert }
            experts.append(heaviest)
            counts[heaviest] += 1
            loads[heaviest] = weights[heaviest] / counts[heaviest]
        }
        return experts
    }

    /// The placement of `place`, as policies give it.
    static func placement(_ loads: [Double], on fleet: ExpertFleet, withinHosts: Bool) -> ExpertPlacement {
        let slots = place(loads, on: fleet, withinHosts: withinHosts)
        return ExpertPlacement(slots: slots, slotsPerRank: fleet.slotsPerRank, experts: fleet.experts)
    }

    /// Places the experts of one layer as EPLB does: groups are packed to hosts, experts replicated within each host, and the replicas
    /// packed to the host's ranks. Where groups do not divide over hosts, or hosts do not count, all ranks are one host and all
    /// experts one group.
    ///
    /// - Parameters:
    ///   - loads: of each expert; what is not a positive number counts as 0.
    ///   - fleet: the slots on offer; all are used.
    ///   - withinHosts: whether hosts count.
    /// - Returns: the expert of each slot.
    public static func place(_ loads: [Double], on fleet: ExpertFleet, withinHosts: Bool) -> [Int32] {
        let loads = (0..<fleet.experts).map { $0 < loads.count && loads[$0] > 0 && loads[$0] < .infinity ? loads[$0] : 0 }
        let hosts = withinHosts && fleet.groups.isMultiple(of: fleet.hosts) ? fleet.hosts : 1
        let groups = hosts == 1 ? 1 : fleet.groups
        let groupSize = fleet.experts / groups
        let groupLoads = (0..<groups).map { group in
            loads[group * groupSize..<(group + 1) * groupSize].reduce(0, +)
        }
        var slots: [Int32] = []
        slots.reserveCapacity(fleet.slots)
        for packed in pack(groupLoads, into: hosts) {
            let experts = packed.flatMap { $0 * groupSize..<($0 + 1) * groupSize }
            let hosted = experts.map { loads[$0] }
            let replicas = replicate(hosted, replicas: fleet.slots / hosts)
            var counts = [Double](repeating: 0, count: hosted.count)
            for replica in replicas { counts[replica] += 1 }
            let weights = replicas.map { hosted[$0] / counts[$0] }
            for contents in pack(weights, into: fleet.ranks / hosts) {
                for item in contents { slots.append(Int32(experts[replicas[item]])) }
            }
        }
        return slots
    }

    /// Indices by falling weight, ties by index.
    static func heaviestFirst(_ weights: [Double]) -> [Int] {
        weights.indices.sorted { weights[$0] != weights[$1] ? weights[$0] > weights[$1] : $0 < $1 }
    }
}
