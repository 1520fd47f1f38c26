/// The candidate that a mistyped word most likely meant: the one with the fewest edits, at most a third of its length; the first of equals.
func nearestName(_ word: String, among candidates: [String]) -> String? {
    var best: (name: String, distance: Int)?
    for candidate in candidates {
        let distance = editDistance(Array(word.utf8), Array(candidate.utf8))
        let limit = max(1, candidate.utf8.count / 3)
        guard distance <= limit, distance < best?.distance ?? .max else { continue }
        best = (candidate, distance)
    }
    return best?.name
}

/// `, did you mean 'NAME'?`, or nothing when no candidate is near.
func didYouMean(_ word: String, among candidates: [String], prefix: String = "") -> String {
    nearestName(word, among: candidates).map { ", did you mean '\(prefix)\($0)'?" } ?? ""
}

/// Insertions, deletions, substitutions and swaps of neighbours between two words (optimal string alignment).
func editDistance(_ first: [UInt8], _ second: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...second.count)
    for (row, byte) in first.enumerated() {
        var current = [row + 1]
        for (column, other) in second.enumerated() {
            var cost = min(last[column] + (byte == other ? 0 : 1), last[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, byte == second[column - 1], first[row - 1] == other { cost = min(cost, beforeLast[column - 1] + 1) }
            current.append(cost)
        }
        (beforeLast, last) = (last, current)
    }
    return last[second.count]
}

/// `a, b or c`.
func alternatives(_ words: [String]) -> String {
    guard let last = words.last, words.count > 1 else { return words.first ?? "nothing" }
    return words.dropLast().joined(separator: ", ") + " or " + last
}
