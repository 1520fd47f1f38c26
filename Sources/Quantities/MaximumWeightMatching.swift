/// Rows and columns in pairs, so that the weights of the pairs add up to the most.
///
/// Source: Kuhn 1955 and Munkres 1957, in the form with potentials and shortest augmenting paths (Jonker and Volgenant 1987). Whole numbers only, so
/// that the outcome is the same everywhere. Cost O(rows^2 x columns).
public enum MaximumWeightMatching {
    /// The column of each row. With more rows than columns the rows that add least get `nil`; with no more, every row gets a column, also
    /// where that adds nothing.
    /// - Parameter weights: by row and column; not below 0, below 2^40, and all rows of one length.
    public static func solve(_ weights: [[Int64]]) -> [Int?] {
        let rows = weights.count
        let columns = weights.first?.count ?? 0
        guard rows > 0, columns > 0 else { return weights.map { _ in nil } }
        // Columns that stand for none make up for those that are missing.
        let width = max(rows, columns)
        func cost(_ row: Int, _ column: Int) -> Int64 { column < columns ? -weights[row][column] : 0 }
        // Places are shifted by one; 0 stands for no row and no column.
        var rowPotential = Array(repeating: Int64(0), count: rows + 1)
        var columnPotential = Array(repeating: Int64(0), count: width + 1)
        var rowOf = Array(repeating: 0, count: width + 1)
        var before = Array(repeating: 0, count: width + 1)
        for row in 1...rows {
            rowOf[0] = row
            var column = 0
            var least = Array(repeating: Int64.max, count: width + 1)
            var isDone = Array(repeating: false, count: width + 1)
            repeat {
                isDone[column] = true
                let present = rowOf[column]
                var step = Int64.max
                var next = 0
                for other in 1...width where !isDone[other] {
                    let reduced = cost(present - 1, other - 1) - rowPotential[present] - columnPotential[other]
                    if reduced < least[other] {
                        least[other] = reduced
                        before[other] = column
                    }
                    if least[other] < step {
                        step = least[other]
                        next = other
                    }
                }
                for other in 0...width {
                    if isDone[other] {
                        rowPotential[rowOf[other]] += step
                        columnPotential[other] -= step
                    } else if other > 0 {
                        least[other] -= step
                    }
                }
                column = next
            } while rowOf[column] != 0
            while column != 0 {
                rowOf[column] = rowOf[before[column]]
                column = before[column]
            }
        }
        var result: [Int?] = Array(repeating: nil, count: rows)
        for column in 1...columns where rowOf[column] > 0 { result[rowOf[column] - 1] = column - 1 }
        return result
    }
}
