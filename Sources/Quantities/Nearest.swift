/// The name among `candidates` that `text` is most likely a slip of, or `nil` when none is near.
///
/// Distance is that of optimal string alignment: insertions, deletions, substitutions and swaps of neighbours count 1 each
/// (Damerau 1964). A name is near when at most a third of the longer text differs; ties go to the earlier candidate.
/// When none is, the only one that `text` begins, from three letters on, will do.
public func nearest(_ text: String, among candidates: [String]) -> String? {
    let letters = Array(text.lowercased().utf8)
    guard !letters.isEmpty, letters.count <= 64 else { return nil }
    var best: (name: String, distance: Int)?
    for candidate in candidates {
        let other = Array(candidate.lowercased().utf8)
        let limit = max(1, max(letters.count, other.count) / 3)
        guard abs(letters.count - other.count) <= limit else { continue }
        let distance = alignmentDistance(letters, other)
        if distance <= limit, distance < (best?.distance ?? .max) { best = (candidate, distance) }
    }
    if let best { return best.name }
    let longer = letters.count >= 3 ? candidates.filter { $0.lowercased().utf8.starts(with: letters) } : []
    return longer.count == 1 ? longer.first : nil
}

/// The optimal string alignment distance of two texts, in O(n m) time and three rows of memory.
func alignmentDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforePrevious = [Int](repeating: 0, count: right.count + 1)
    var previous = Array(0...right.count)
    for (row, letter) in left.enumerated() {
        var current = [row + 1]
        current.reserveCapacity(right.count + 1)
        for (column, other) in right.enumerated() {
            var distance = min(previous[column] + (letter == other ? 0 : 1), previous[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, letter == right[column - 1], left[row - 1] == other {
                distance = min(distance, beforePrevious[column - 1] + 1)
            }
            current.append(distance)
        }
        (beforePrevious, previous) = (previous, current)
    }
    return previous[right.count]
}
