import Models
import Quantities

/// A worker that will be ended computes for as long as its caches can still be moved afterwards, and then moves them to workers with room.
///
/// Source: SpotServe (ASPLOS 24), sections 3.3 to 3.5: interruption arranger, device mapper, migration planner.
/// - *Who*: where there is not room for all, the requests with most progress; the others are computed again elsewhere.
/// - *Where*: a maximum-weight matching of requests and places, weighted by bytes that need not move: those of a cache times the classes of links
///   that it does not cross, 2 on a host and 1 in a rack.
/// - *Weights*: the devices that a worker has left keep theirs, and each device is given the part of the model that makes the fewest bytes move
///   (`DeviceMapping`). (SpotServe also makes one whole pipeline of what is left of two; a worker here waits for its own devices.)
/// - *When*: transfers follow each other, most progress first, as many as end `margin` before the deadline at the link's bandwidth; T_mig is what they take.
///   The worker runs S = max{S : l_exe(S) < T_minus - T_mig} more iterations before that, and takes new requests until `lead` before its end,
///   which should be more than T_mig.
///
/// Guarantee: among placements of the requests chosen the matching crosses the fewest links, by bytes. Cost O(n^2 m) for n requests and m places.
public struct SpotServe: PreemptionPolicy {
    public static let description = PolicyDescription(
        name: "spotserve", summary: "computes as long as it can, then moves the caches of what runs", source: "SpotServe, ASPLOS 24",
        parameters: [
            PreemptionParameters.margin, PreemptionParameters.lead(5),
            ParameterDescription(
                "matching", defaultValue: 0, range: 0...2,
                summary: "of caches and workers, and of devices and parts of the model: 0 of most weight, 1 in order, 2 at random"),
        ])
    public static let moves = true
    public static let keepsWeights = true
    /// Places of one refuge that are looked at: bounds the matching.
    private static let placesOfOne = 64

    public let margin: Nanoseconds
    public let lead: Nanoseconds
    public let mapping: DeviceMapping
    private var random: RandomStream

    public init(parameters: PolicyParameters, random: RandomStream) {
        margin = PreemptionParameters.margin(parameters)
        lead = PreemptionParameters.lead(parameters)
        mapping = DeviceMapping(rawValue: Int(parameters["matching"])) ?? .matched
        self.random = random
    }

    public mutating func plan(_ departure: DepartureView) -> DeparturePlan {
        let requests = departure.requests
        guard !requests.isEmpty else { return DeparturePlan() }
        // What does not fit after all, for it is longer than the mean, is computed again.
        let mean = requests.reduce(0) { $0 + $1.tokens } / Int64(requests.count) + 1
        let places = departure.refuges.indices.flatMap { refuge in
            Array(repeating: refuge, count: min(departure.refuges[refuge].worker.slots(forRequestsOf: mean), requests.count, Self.placesOfOne))
        }
        let byProgress = requests.indices.sorted { (-requests[$0].produced, $0) < (-requests[$1].produced, $1) }
        let chosen = Array(byProgress.prefix(places.count))
        let matched = match(chosen, places, departure)
        var moves: [DeparturePlan.Move] = []
        // Caches on the host's own links and on the network card travel beside each other.
        var busy: (near: Nanoseconds, far: Nanoseconds) = (0, 0)
        let limit = departure.deadline - departure.now - margin
        for (request, place) in zip(chosen, matched) {
            let refuge = departure.refuges[places[place]]
            let time = Nanoseconds(min(Double(requests[request].cacheBytes) / Double(max(refuge.bandwidth, 1)) * 1e9, 1e18)) + 1
            let isNear = refuge.nearness > 1
            guard (isNear ? busy.near : busy.far) + time <= limit else { continue }
            if isNear { busy.near += time } else { busy.far += time }
            moves.append(DeparturePlan.Move(request: request, refuge: places[place]))
        }
        return DeparturePlan(moves: moves, start: departure.deadline - margin - max(busy.near, busy.far))
    }

    /// The place of each request chosen; there are as many places at least.
    private mutating func match(_ chosen: [Int], _ places: [Int], _ departure: DepartureView) -> [Int] {
        switch mapping {
        case .inOrder: return Array(chosen.indices)
        case .atRandom:
            var order = Array(places.indices)
            for place in order.indices.dropLast() { order.swapAt(place, place + random.below(order.count - place)) }
            return Array(order.prefix(chosen.count))
        case .matched:
            let weights = chosen.map { request in
                let bytes = min(departure.requests[request].cacheBytes, 1 << 38)
                return places.map { bytes * departure.refuges[$0].nearness }
            }
            return MaximumWeightMatching.solve(weights).enumerated().map { $1 ?? $0 }
        }
    }
}
