import Bounds
import Policies
import Quantities

/// Small changes of an instance, for a search for worse ones.
struct InstanceMutation {
    /// Most requests, and most tokens of memory.
    var requestLimit = 8
    var memoryLimit = 24
    let teller: Teller

    /// A changed instance; `nil` when what was drawn cannot be.
    func draw(_ instance: AuditInstance, _ random: inout RandomStream) -> AuditInstance? {
        var changed = instance
        for _ in 0..<(1 + random.below(2)) { change(&changed, &random) }
        // What memory cut off one change may have given back with the next.
        if teller.isExact { changed = teller.instance(changed.requests.map(\.unit), memory: changed.memory) }
        guard changed != instance, changed.requests.count >= 2, changed.requests.count <= requestLimit, changed.memory <= memoryLimit,
            changed.unit.problem == nil, changed.requests.allSatisfy({ $0.unit.arrival <= 2 * memoryLimit })
        else { return nil }
        return changed
    }

    private func change(_ instance: inout AuditInstance, _ random: inout RandomStream) {
        let place = random.below(instance.requests.count)
        let step = (1 + random.below(3)) * (random.below(2) == 0 ? 1 : -1)
        let other = random.below(instance.requests.count)
        switch random.below(9) {
        case 0: instance.requests[place].unit.arrival += step
        case 1: instance.requests[place].unit.arrival = instance.requests[other].unit.arrival
        case 2: instance.requests[place].unit.prompt += step
        case 3, 4: setOutput(instance.requests[place].unit.output + step, at: place, &instance)
        case 5: instance.memory += step
        case 6: instance.requests.swapAt(place, other)
        case 7: instance.requests.insert(instance.requests[other], at: place)
        default: instance.requests.remove(at: place)
        }
        // All alike in one thing: what conditions ask for survives.
        if random.below(4) == 0 { equalize(&instance, &random) }
    }

    private func setOutput(_ output: Int, at place: Int, _ instance: inout AuditInstance) {
        guard output >= 1 else { return }
        let prediction = instance.requests[place].prediction
        if teller.isInterval {
            // The truth is the adversary's, within what was said.
            instance.requests[place].unit.output = min(max(output, Int(prediction.lower)), Int(prediction.upper))
        } else {
            instance.requests[place].unit.output = output
            instance.requests[place].prediction = teller.prediction(of: instance.requests[place].unit, at: place, memory: instance.memory)
        }
    }

    private func equalize(_ instance: inout AuditInstance, _ random: inout RandomStream) {
        guard let first = instance.requests.first?.unit else { return }
        let isPrompt = random.below(2) == 0
        for place in instance.requests.indices {
            if isPrompt { instance.requests[place].unit.prompt = first.prompt } else { instance.requests[place].unit.arrival = first.arrival }
        }
    }
}
