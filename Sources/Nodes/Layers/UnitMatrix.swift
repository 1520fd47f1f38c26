import Models
import Quantities

/// Hidden states that travel between each attention rank and each expert rank in one step: pairs of token and expert, or tokens where all go
/// everywhere. The same number comes back.
struct UnitMatrix {
    /// Units that a member sends and receives, those that stay inside its host apart.
    struct Sum {
        var all: Int64 = 0
        var near: Int64 = 0
    }

    let attentionRanks: Int
    let expertRanks: Int
    /// By attention rank, then expert rank.
    var units: [Int64]
    private(set) var byAttention: [Sum]
    private(set) var byExpert: [Sum]

    init(_ shape: GangShape) {
        attentionRanks = shape.attentionRanks
        expertRanks = shape.expertRanks
        units = Array(repeating: 0, count: attentionRanks * expertRanks)
        byAttention = Array(repeating: Sum(), count: attentionRanks)
        byExpert = Array(repeating: Sum(), count: expertRanks)
    }

    /// Adds the units up. What a rank keeps for itself crosses no link, but a measured all-to-all has it in its fit.
    mutating func addUp(_ shape: GangShape) {
        let countsOwn = shape.mixture.fabric != nil
        let first = shape.member(ofExpert: 0)
        let expertRanks = expertRanks
        for expert in byExpert.indices { byExpert[expert] = Sum() }
        shape.hosts.withUnsafeBufferPointer { hosts in
            units.withUnsafeBufferPointer { units in
                byExpert.withUnsafeMutableBufferPointer { byExpert in
                    for rank in byAttention.indices {
                        var sum = Sum()
                        for expert in 0..<expertRanks where first + expert != rank || countsOwn {
                            let count = units[rank * expertRanks + expert]
                            let near = hosts[first + expert] == hosts[rank] ? count : 0
                            sum.all += count
                            sum.near += near
                            byExpert[expert].all += count
                            byExpert[expert].near += near
                        }
                        byAttention[rank] = sum
                    }
                }
            }
        }
    }
}

/// Messages that a member sends, and the bytes that they stand for.
public struct Traffic: Sendable, Equatable {
    public var messages: Int64 = 0
    public var bytes: ByteCount = 0

    public init() {}

    mutating func add(messages: Int, bytes: ByteCount) {
        self.messages += Int64(messages)
        self.bytes += bytes
    }
}
