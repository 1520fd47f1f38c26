/// Rows of cells in aligned columns, for people. What machines read is another payload and never goes through here.
public struct TextTable: Sendable {
    /// Which side of a column lines up.
    public enum Alignment: Sendable {
        case left, right
    }

    /// A column: its heading and its side.
    public struct Column: Sendable {
        public var heading: String
        public var alignment: Alignment

        public init(_ heading: String, _ alignment: Alignment = .left) {
            self.heading = heading
            self.alignment = alignment
        }
    }

    public var columns: [Column]
    public var rows: [[String]] = []

    public init(_ columns: [Column]) { self.columns = columns }

    /// Adds a row; cells that are missing stay empty.
    public mutating func add(_ cells: [String]) { rows.append(cells) }

    /// The lines, without white space at their ends. Columns stand two spaces apart; a single table of headings alone has no row.
    ///
    /// - Parameter style: headings are bold. Cells must hold no escape sequence, which would count as width.
    public func lines(style: Style = .plain) -> [String] {
        let widths = columns.indices.map { column in
            max(columns[column].heading.count, rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0)
        }
        let heading = line(columns.map(\.heading), widths)
        return (heading.isEmpty ? [] : [style.bold(heading)]) + rows.map { line($0, widths) }
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var text = ""
        for (column, width) in widths.enumerated() {
            let cell = column < cells.count ? cells[column] : ""
            let padding = String(repeating: " ", count: width - cell.count)
            if column > 0 { text += "  " }
            text += columns[column].alignment == .left ? cell + padding : padding + cell
        }
        while text.last == " " { text.removeLast() }
        return text
    }
}
