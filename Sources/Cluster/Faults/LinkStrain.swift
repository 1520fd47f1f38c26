import Quantities

/// How much worse links are for exchanges in which every node waits for a message of every other.
public struct LinkStrain: Sendable, Equatable {
    /// Added to every message.
    public var latency: Nanoseconds = 0
    /// By how much bytes take longer, in thousandths, rounded up.
    public var stretch: Int64 = 1000
    /// By how much an exchange is longer in the mean, since messages are lost and sent again.
    public var resending: Nanoseconds = 0

    public init() {}

    /// Takes a fault in; of several the worst of each kind counts.
    /// - Parameter messages: of an exchange that cross the link.
    mutating func add(_ fault: LinkFault, messages: Int) {
        latency = max(latency, fault.latency)
        // A share of 1/1000000 stands for less: what is beyond is a cut.
        stretch = max(stretch, Int64((1000 / max(fault.bandwidth, 1e-6)).rounded(.up)))
        let tries = Self.furtherTries(loss: fault.loss, messages: messages)
        resending = max(resending, Nanoseconds((Double(fault.retransmission) * tries).rounded()))
    }

    /// How many times the message that is lost most often is sent again, in the mean.
    ///
    /// Tries of a message are geometric, so that all of `m` are through after `k` further ones with probability `(1 - loss^(k+1))^m`; the mean of the
    /// largest is the sum over `k` of what is missing to 1.
    static func furtherTries(loss: Double, messages: Int) -> Double {
        guard loss > 0 else { return 0 }
        var (sum, lost) = (0.0, loss)
        for _ in 0..<mostTries {
            let missing = 1 - power(1 - lost, messages)
            sum += missing
            lost *= loss
            if missing < 1e-9 { break }
        }
        return sum
    }

    /// As often as a single message is sent again at the most.
    private static let mostTries = 1000
}
