import Quantities
import Testing

@testable import Cluster

@Suite("Links that are worse, in exchanges of all with all")
struct LinkStrainTests {
    private func strain(_ fault: LinkFault, messages: Int) -> LinkStrain {
        var strain = LinkStrain()
        strain.add(fault, messages: messages)
        return strain
    }

    @Test("cost the mean of further tries of the message that is lost most often", arguments: [0.001, 0.1, 0.5, 0.9])
    func furtherTries(loss: Double) {
        // One message: geometric. Two: the sum of both means less that of the smaller, which is geometric with the square.
        let one = loss / (1 - loss)
        let two = 2 * one - loss * loss / (1 - loss * loss)
        #expect(abs(LinkStrain.furtherTries(loss: loss, messages: 1) - one) < 1e-6)
        #expect(abs(LinkStrain.furtherTries(loss: loss, messages: 2) - two) < 1e-6)
        #expect(strain(LinkFault(loss: loss, retransmission: 1_000_000), messages: 1).resending == Nanoseconds((one * 1e6).rounded()))
    }

    @Test("cost what a simulation of the tries costs", arguments: [2, 7, 56])
    func simulated(messages: Int) {
        var random = RandomStream(seed: 1, stream: UInt64(messages))
        let rounds = 20_000
        var sum = 0
        for _ in 0..<rounds {
            var most = 0
            for _ in 0..<messages {
                var tries = 0
                while random.unit() < 0.3 { tries += 1 }
                most = max(most, tries)
            }
            sum += most
        }
        let mean = Double(sum) / Double(rounds)
        #expect(abs(LinkStrain.furtherTries(loss: 0.3, messages: messages) / mean - 1) < 0.03)
    }

    @Test("stretch what takes bandwidth by what is missing, and none where all is well")
    func stretch() {
        #expect(strain(LinkFault(bandwidth: 0.25), messages: 3).stretch == 4000)
        #expect(strain(LinkFault(), messages: 3) == LinkStrain())
        #expect(strain(LinkFault(bandwidth: 1e-300), messages: 1).stretch == 1_000_000_000)
    }

    @Test("are as bad as the worst of each kind, whatever the order")
    func several() {
        let faults = [LinkFault(latency: 5, bandwidth: 0.5), LinkFault(latency: 9, loss: 0.2), LinkFault(bandwidth: 0.1, loss: 0.1)]
        func all(_ order: [Int]) -> LinkStrain {
            var strain = LinkStrain()
            for place in order { strain.add(faults[place], messages: 6) }
            return strain
        }
        #expect(all([0, 1, 2]) == all([2, 0, 1]))
        #expect(all([0, 1, 2]).latency == 9 && all([0, 1, 2]).stretch == 10_000)
        #expect(all([0, 1, 2]).resending == strain(faults[1], messages: 6).resending)
    }
}
