/// Which rank's experts each rank holds copies of, within a group of ranks: the `r2o` of LPLB.
///
/// Copy j of rank i duplicates the j-th heaviest expert of rank `originals[i][j]`. Every column is a permutation of the ranks, so
/// that each duplicated expert has one copy.
public struct DuplicateGraph: Sendable, Equatable {
    public let originals: [[Int]]
    /// Where the copy of the j-th expert of rank r is: `originals[copies[r][j]][j]` is r.
    public let copies: [[Int]]

    /// Ranks in a group.
    public var ranks: Int { originals.count }
    /// Duplicated experts of each rank, or classes of them.
    public var duplicates: Int { originals.first?.count ?? 0 }

    private init(columns: [[Int]]) {
        let ranks = columns.first?.count ?? 0
        originals = (0..<ranks).map { rank in columns.map { $0[rank] } }
        var copies = [[Int]](repeating: [Int](repeating: 0, count: columns.count), count: ranks)
        for (j, column) in columns.enumerated() {
            for (rank, original) in column.enumerated() { copies[original][j] = rank }
        }
        self.copies = copies
    }

    /// Eight ranks, two duplicates: the two faces of a cube as rings, and a diagonal between them.
    public static let cube = DuplicateGraph(columns: [[3, 0, 1, 2, 7, 4, 5, 6], [6, 7, 4, 5, 0, 1, 2, 3]])

    /// Sixteen ranks, two duplicates: four rings of four, and rings through them.
    public static let hypercube = DuplicateGraph(columns: [
        [3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14], [12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    ])

    /// `ranks` in a ring, one duplicate.
    public static func ring(_ ranks: Int) -> DuplicateGraph { DuplicateGraph(columns: [(0..<ranks).map { ($0 + 1) % ranks }]) }

    /// `hosts` of `width` ranks each, two duplicates: one of the same place on the next host, one of the next rank on the host.
    public static func torus(hosts: Int, width: Int) -> DuplicateGraph {
        let ranks = 0..<hosts * width
        return DuplicateGraph(columns: [
            ranks.map { ($0 / width + 1) % hosts * width + $0 % width }, ranks.map { $0 / width * width + ($0 % width + 1) % width },
        ])
    }
}
