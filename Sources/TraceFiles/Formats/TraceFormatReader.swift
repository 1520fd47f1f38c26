import Quantities
import Workload

/// One published format: how a line becomes a row.
protocol TraceFormatReader {
    /// Whether the first line that is not blank names the columns.
    var hasHeader: Bool { get }

    /// Learns the columns from the first line.
    mutating func readHeader(_ line: LineBytes) throws(LineProblem)

    /// Reads a row; lengths as recorded, so that 0 tokens may occur.
    mutating func readRow(_ line: LineBytes) throws(LineProblem) -> TraceRow
}

extension TraceFormat {
    /// A fresh reader of this format.
    func makeReader() -> any TraceFormatReader {
        switch self {
        case .azure: AzureFormat()
        case .mooncake: MooncakeFormat()
        case .burstgpt: BurstGPTFormat()
        }
    }
}
