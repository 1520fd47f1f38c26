/// Numbers of tokens that reach each host and rank, where a token travels once for all experts that it picks there.
extension Gate {
    /// Says where the experts of a layer are. What is drawn stays the same.
    public mutating func setReach(layer: Int, _ reach: ExpertReach) {
        guard reached > 0, reach.count == reached else { return }
        reaches[layer] = reach
        pool.clear(layer: layer)
    }

    /// Adds picks as `draw` does, and the tokens that reach hosts and ranks: those of each token where tokens pick one by one, else what is expected
    /// given the numbers by expert.
    mutating func drawAll(layer: Int, tokens: Int, random: inout GateRandom, into counts: UnsafeMutableBufferPointer<Int32>) {
        guard reached > 0 else { return draw(layer: layer, tokens: tokens, random: &random, into: counts) }
        if plan.selection == .topK, tokens > Self.countedTokens {
            draw(layer: layer, tokens: tokens, random: &random, into: counts)
            return reaches[layer].expect(counts, topK: topK, tokens: tokens)
        }
        // Taken out, so that drawing may write on the gate's other parts.
        var (picks, reachedBy): ([Int32], [Int32]) = ([], [])
        swap(&picks, &scratch.token)
        swap(&reachedBy, &scratch.reachedBy)
        let reach = reaches[layer]
        reach.withTables { starts, replicas, hostOf in
            picks.withUnsafeMutableBufferPointer { picks in
                reachedBy.withUnsafeMutableBufferPointer { reachedBy in
                    reachedBy.update(repeating: -1)
                    var sink = ReachSink(
                        starts: starts, replicas: replicas, hostOf: hostOf, hosts: reach.hosts, reachedBy: reachedBy,
                        numbers: UnsafeMutableBufferPointer(rebasing: counts[experts...]))
                    if picksPlainly {
                        pick(layer: layer, tokens: tokens, random: &random, into: counts, telling: &sink)
                    } else {
                        drawByToken(layer: layer, tokens: tokens, random: &random, into: counts, picks, &sink)
                    }
                }
            }
        }
        swap(&picks, &scratch.token)
        swap(&reachedBy, &scratch.reachedBy)
    }

    /// Whether tokens pick by weight alone.
    private var picksPlainly: Bool {
        switch plan.selection {
        case .topK, .expertChoice: true
        case .groups: groups == 1
        case .noisyTopK: false
        }
    }

    /// One token after the other, which draws the same as all at once.
    private mutating func drawByToken(
        layer: Int, tokens: Int, random: inout GateRandom, into counts: UnsafeMutableBufferPointer<Int32>,
        _ picks: UnsafeMutableBufferPointer<Int32>, _ sink: inout ReachSink
    ) {
        picks.update(repeating: 0)
        for _ in 0..<tokens {
            sink.begin()
            draw(layer: layer, tokens: 1, random: &random, into: picks)
            for expert in 0..<experts where picks[expert] != 0 {
                picks[expert] = 0
                sink.take(expert, turn: Int(counts[expert]))
                counts[expert] &+= 1
            }
        }
    }
}

/// Counts the tokens that reach each host and rank.
private struct ReachSink: PickSink {
    static var listens: Bool { true }

    /// Where each expert's replicas begin, the ranks that they are on, and the host of each rank.
    let starts: UnsafeBufferPointer<Int32>
    let replicas: UnsafeBufferPointer<Int32>
    let hostOf: UnsafeBufferPointer<Int32>
    let hosts: Int
    /// The last token that reached each host, and then each rank.
    let reachedBy: UnsafeMutableBufferPointer<Int32>
    let numbers: UnsafeMutableBufferPointer<Int32>
    var token: Int32 = -1

    @inline(__always)
    mutating func begin() { token &+= 1 }

    @inline(__always)
    mutating func take(_ expert: Int, turn: Int) {
        let (first, count) = (Int(starts[expert]), Int(starts[expert + 1] - starts[expert]))
        guard count > 0 else { return }
        // In turns, as `EvenShares` of the balancing policies has them.
        let rank = Int(replicas[count == 1 ? first : first + (turn + count - expert % count) % count])
        reach(Int(hostOf[rank]))
        reach(hosts + rank)
    }

    @inline(__always)
    private func reach(_ place: Int) {
        numbers[place] &+= reachedBy[place] == token ? 0 : 1
        reachedBy[place] = token
    }
}
