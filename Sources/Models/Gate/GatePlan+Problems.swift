extension GatePlan {
    /// What is wrong with a plan, in the words of an error message.
    public struct Problem: Sendable, Equatable {
        /// Where in the plan.
        public enum Place: Sendable, Equatable {
            case popularity
            /// A row of recorded loads, and the place in it where one number is at fault.
            case recorded(layer: Int, expert: Int?)
            case selection, layerCorrelation, drift, batchNoise, capacityFactor, biasRate
        }

        public var place: Place
        /// What was found and what was expected.
        public var text: String
    }

    /// Largest number of experts in a layer.
    public static let expertLimit = 65_536

    /// Everything that keeps this plan from working with a model's shape; empty when it works.
    public func problems(experts: Int, topK: Int, layers: Int) -> [Problem] {
        var found: [Problem] = []
        func expect(_ holds: Bool, _ place: Problem.Place, _ text: @autoclosure () -> String) {
            if !holds { found.append(Problem(place: place, text: text())) }
        }
        if experts > Self.expertLimit {
            expect(false, .selection, "\(experts) experts in a layer; expected at most \(Self.expertLimit)")
        }
        expect(topK >= 1 && topK <= experts, .selection, "a token picks \(topK) of \(experts) experts; expected 1 to \(experts)")
        expect((0...1).contains(layerCorrelation), .layerCorrelation, "\(layerCorrelation) is not a correlation; expected 0 to 1")
        expect((0...5).contains(batchNoise), .batchNoise, "\(batchNoise) is out of range; expected 0 to 5")
        expect((0...10).contains(biasRate), .biasRate, "\(biasRate) is out of range; expected 0 to 10")
        if let drift {
            expect(drift.period > 0, .drift, "a period of \(drift.period) ns; expected a positive time")
            expect((0...1).contains(drift.share), .drift, "\(drift.share) is not a share; expected 0 to 1")
        }
        if let factor = capacityFactor {
            expect(factor > 0 && factor < .infinity, .capacityFactor, "a capacity factor of \(factor); expected a positive number")
        }
        found += popularityProblems(experts: experts, layers: layers)
        found += selectionProblems(experts: experts, topK: topK)
        return found
    }

    private func popularityProblems(experts: Int, layers: Int) -> [Problem] {
        func range(_ value: Double, _ name: String, _ range: ClosedRange<Double>) -> [Problem] {
            if range.contains(value) { return [] }
            let text = "\(name) \(value) is out of range; expected \(range.lowerBound) to \(range.upperBound)"
            return [Problem(place: .popularity, text: text)]
        }
        switch popularity {
        case .uniform: return []
        case .zipf(let exponent): return range(exponent, "exponent", 0...10)
        case .logNormal(let sigma): return range(sigma, "sigma", 0...5)
        case .dirichlet(let alpha): return range(alpha, "alpha", 0.001...1e6)
        case .recorded(let loads): return recordedProblems(loads, experts: experts, layers: layers)
        }
    }

    private func recordedProblems(_ loads: [[Double]], experts: Int, layers: Int) -> [Problem] {
        var found: [Problem] = []
        if loads.count != layers {
            found.append(Problem(place: .popularity, text: "loads of \(loads.count) layers; expected the \(layers) layers with experts"))
        }
        for (layer, row) in loads.enumerated() {
            if row.count != experts {
                let text = "layer \(layer) has \(row.count) loads; expected one for each of \(experts) experts"
                found.append(Problem(place: .recorded(layer: layer, expert: nil), text: text))
            }
            for (expert, load) in row.enumerated() where !(load >= 0 && load <= 1e18) {
                let text = "load \(load) of expert \(expert) in layer \(layer); expected a number from 0 to 1e18"
                found.append(Problem(place: .recorded(layer: layer, expert: expert), text: text))
            }
            if !row.isEmpty, row.allSatisfy({ $0 == 0 }) {
                let text = "all loads of layer \(layer) are 0; expected at least one above"
                found.append(Problem(place: .recorded(layer: layer, expert: nil), text: text))
            }
        }
        return found
    }

    private func selectionProblems(experts: Int, topK: Int) -> [Problem] {
        switch selection {
        case .topK, .expertChoice: return []
        case .noisyTopK(let noise):
            if (0...5).contains(noise) { return [] }
            return [Problem(place: .selection, text: "a noise of \(noise) is out of range; expected 0 to 5")]
        case .groups(let count, let kept):
            func problem(_ text: String) -> [Problem] { [Problem(place: .selection, text: text)] }
            guard count >= 1, experts % count == 0 else {
                return problem("\(experts) experts in \(count) groups; expected a number of groups that divides them")
            }
            guard kept >= 1, kept <= count else { return problem("\(kept) of \(count) groups stay; expected 1 to \(count)") }
            guard topK <= kept * (experts / count) else {
                return problem(
                    "a token picks \(topK) experts of \(kept) groups with \(experts / count) each; expected at most \(kept * (experts / count))")
            }
            return []
        }
    }
}
