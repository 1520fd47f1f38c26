import Cluster
import Policies
import Quantities

/// What the controller has workers say to each other: who moves requests to whom, who keeps copies for whom, and who has died.
extension Controller {
    /// The workers among which requests can move: those that decode.
    private var decoding: WorkerGroup { decode ?? entry }

    /// A worker has reported: it may be told to move a request. It knows best which one, and whether it has time.
    mutating func orderMoves(from place: Int, _ effects: inout Effects) {
        guard migration != nil, decoding.live.contains(place), !decoding.views[place].isMigrating else { return }
        let group = decoding
        // Caches move among workers of one model alone.
        let live = group.live.filter { group.kinds[$0] == group.kinds[place] }
        guard live.count > 1, let pairs = migration?.pairs(among: live.map { group.views[$0] }) else { return }
        for pair in pairs where live.indices.contains(pair.source) && live.indices.contains(pair.target) && live[pair.source] == place {
            var step = MigrationStep(.order)
            step.node = group.nodes[live[pair.target]]
            effects.send(.migration(step), to: group.nodes[place], bytes: MessageSize.header)
            return
        }
    }

    /// A request that had begun at a worker that has died goes on at one that decodes, if the policy says so and there is one.
    mutating func goesOn(_ request: Assignment, _ view: RequestView, _ effects: inout Effects) -> Bool {
        guard recovery.resumption != .anywhere, let place = placeToGoOn(request, view) else { return false }
        let node = decoding.nodes[place]
        effects.send(.rebuild(request), to: node, bytes: MessageSize.prompt(request.knownTokens))
        tellClient(request, sentTo: node, decodes: false, &effects)
        return true
    }

    private mutating func placeToGoOn(_ request: Assignment, _ view: RequestView) -> Int? {
        if recovery.resumption == .buddy, let lost = decoding.nodes.firstIndex(of: request.lostNode), case let buddy = decoding.buddies[lost],
            decoding.live.contains(buddy)
        {
            if decode == nil { entry.note(view, sentTo: buddy) } else { decode?.note(view, sentTo: buddy) }
            return buddy
        }
        // Without prefill workers every worker computes prompts.
        guard decode?.live.isEmpty == false else { return nil }
        return decode?.choose(for: view)
    }

    /// A worker counts as dead: others let go of what was under way with it, and those whose copies it had get another buddy.
    mutating func tellWorkers(of fence: Fence, _ effects: inout Effects) {
        guard tellsWorkers else { return }
        for node in entry.nodes + (decode?.nodes ?? []) where node != fence.node {
            effects.send(.fence(fence), to: node, bytes: MessageSize.header)
        }
        guard recovery.copyInterval > 0, let lost = decoding.nodes.firstIndex(of: fence.node) else { return }
        for place in decoding.buddies.indices where decoding.buddies[place] == lost && place != lost {
            // The copies of one that is dead too are gone: another worker of the ring has none of them.
            guard decoding.live.contains(place) else {
                if decode == nil { entry.forgetBuddy(of: place) } else { decode?.forgetBuddy(of: place) }
                continue
            }
            renewBuddy(of: place, &effects)
        }
    }

    /// A new process of a worker serves; `place` as in `places`.
    mutating func giveBuddy(to place: Int, _ effects: inout Effects) {
        guard recovery.copyInterval > 0, (place < 0) == (decode != nil) else { return }
        let new = abs(place) - 1
        renewBuddy(of: new, &effects)
        for other in decoding.live where other != new && decoding.buddies[other] < 0 { renewBuddy(of: other, &effects) }
    }

    private mutating func renewBuddy(of place: Int, _ effects: inout Effects) {
        if decode == nil { entry.renewBuddy(of: place) } else { decode?.renewBuddy(of: place) }
        let buddy = decoding.buddies[place]
        var step = MigrationStep(.buddy)
        step.node = buddy < 0 ? -1 : decoding.nodes[buddy]
        effects.send(.migration(step), to: decoding.nodes[place], bytes: MessageSize.header)
    }
}

extension WorkerGroup {
    /// The next worker of the ring that has the same model; -1 if there is no other.
    static func buddy(of place: Int, among live: [Int], _ kinds: [Int]) -> Int {
        let others = live.filter { $0 != place && kinds[$0] == kinds[place] }
        return others.first { $0 > place } ?? others.first ?? -1
    }
}
