/// A linear programme: minimise the cost of columns that have bounds, under rows that have bounds.
///
/// Pure data, so that the core can state one; `Bounds` solves it. To maximise, negate the costs.
public struct LinearProgram: Sendable, Equatable {
    /// Cost and bounds of each column.
    public private(set) var costs: [Double] = []
    public private(set) var columnLower: [Double] = []
    public private(set) var columnUpper: [Double] = []
    /// Bounds of each row.
    public private(set) var rowLower: [Double] = []
    public private(set) var rowUpper: [Double] = []
    /// Where each row's coefficients begin in `columns` and `coefficients`, and at the end where the last one's end.
    public private(set) var rowStarts: [Int32] = [0]
    public private(set) var columns: [Int32] = []
    public private(set) var coefficients: [Double] = []

    /// A programme without columns or rows.
    public init() {}

    /// How many columns there are.
    public var columnCount: Int { costs.count }
    /// How many rows there are.
    public var rowCount: Int { rowLower.count }

    /// Adds a column, and gives its place.
    @discardableResult
    public mutating func addColumn(cost: Double = 0, lower: Double = 0, upper: Double = .infinity) -> Int {
        costs.append(cost)
        columnLower.append(lower)
        columnUpper.append(upper)
        return costs.count - 1
    }

    /// Adds the row `lower <= sum of the terms <= upper`. Terms of one column may repeat in a row: they add up.
    public mutating func addRow(_ terms: [Term], lower: Double = -.infinity, upper: Double = .infinity) {
        for term in terms {
            columns.append(Int32(truncatingIfNeeded: term.column))
            coefficients.append(term.coefficient)
        }
        rowLower.append(lower)
        rowUpper.append(upper)
        rowStarts.append(Int32(truncatingIfNeeded: columns.count))
    }

    /// A coefficient of a row.
    public struct Term: Sendable, Equatable {
        public var column: Int
        public var coefficient: Double

        /// - Parameter column: what `addColumn` gave.
        public init(_ column: Int, _ coefficient: Double = 1) {
            self.column = column
            self.coefficient = coefficient
        }
    }
}

/// Solves a linear programme: the values of its columns at an optimum, or `nil` when it found none.
public typealias LinearSolver = @Sendable (LinearProgram) -> [Double]?
