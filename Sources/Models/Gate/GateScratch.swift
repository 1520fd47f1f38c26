/// What calls of the gate write on; never read before it is written in the same call.
struct GateScratch: Sendable {
    /// By expert: the token that picked it last, counted by `stamp`.
    var marks: [UInt32]
    var stamp: UInt32 = 0
    var alias: AliasTable.Scratch
    /// By group: arrivals of its experts, and what is left of it.
    var arrivals: [GroupArrivals]
    var arrivalTimes: [Double]
    var arrivalExperts: [Int32]
    /// The best scores of a token.
    var bestTimes: [Double]
    var bestExperts: [Int32]
    /// A row for the pool by expert, and numbers to be narrowed.
    var row: [Int32]
    var wide: [Int32] = []
    /// One token's picks by expert, and the last token that reached each host and rank.
    var token: [Int32] = []
    var reachedBy: [Int32] = []

    init(experts: Int, groups: Int, topK: Int, reached: Int) {
        marks = [UInt32](repeating: 0, count: experts)
        alias = AliasTable.Scratch(count: experts)
        arrivals = [GroupArrivals](repeating: GroupArrivals(), count: groups)
        arrivalTimes = [Double](repeating: 0, count: groups * (topK + 1))
        arrivalExperts = [Int32](repeating: 0, count: groups * (topK + 1))
        bestTimes = [Double](repeating: 0, count: topK + 1)
        bestExperts = [Int32](repeating: 0, count: topK + 1)
        row = [Int32](repeating: 0, count: experts + reached)
        guard reached > 0 else { return }
        token = [Int32](repeating: 0, count: experts)
        reachedBy = [Int32](repeating: 0, count: reached)
    }

    /// Gives every token of a call a mark of its own.
    mutating func reserveMarks(tokens: Int) {
        guard UInt64(stamp) + UInt64(tokens) >= UInt64(UInt32.max) else { return }
        for index in marks.indices { marks[index] = 0 }
        stamp = 0
    }
}
