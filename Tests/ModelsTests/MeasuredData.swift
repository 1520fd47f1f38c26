import Foundation
import Testing

/// Measurements by others, in the folder `shared/data` beside the package or above it. Tests that need them pass with a note when it is absent.
enum MeasuredData {
    static let root: URL? = {
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<6 {
            folder.deleteLastPathComponent()
            let candidate = folder.appendingPathComponent("shared/data")
            if FileManager.default.fileExists(atPath: candidate.path) { return candidate }
        }
        return nil
    }()

    /// The rows of a CSV file by column name, or `nil` when it is not there.
    static func rows(_ path: String) -> [[String: String]]? {
        guard let root, let text = try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8) else {
            print("measured data \(path) not found: nothing compared")
            return nil
        }
        let lines = text.split(whereSeparator: \.isNewline).map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
        guard let names = lines.first else { return nil }
        return lines.dropFirst().map { Dictionary(zip(names, $0), uniquingKeysWith: { first, _ in first }) }
    }
}

extension [String: String] {
    func number(_ column: String) -> Double { self[column].flatMap(Double.init) ?? .nan }

    func integer(_ column: String) -> Int { self[column].flatMap(Double.init).map { Int($0) } ?? 0 }
}

/// Relative errors of a model against measurements.
struct RelativeErrors {
    private var errors: [Double] = []

    mutating func add(modelled: Double, measured: Double) { errors.append((modelled - measured) / measured) }

    var count: Int { errors.count }
    var median: Double { quantile(0.5) }
    var p90: Double { quantile(0.9) }
    /// Median of the signed errors.
    var bias: Double { errors.sorted()[errors.count / 2] }

    /// Quantile of the absolute errors.
    func quantile(_ share: Double) -> Double {
        let sorted = errors.map(abs).sorted()
        return sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
    }

    /// Prints the errors and checks that they are within what the documentation states.
    func check(_ name: String, median medianBound: Double, p90 p90Bound: Double, _ place: SourceLocation = #_sourceLocation) {
        guard !errors.isEmpty else {
            Issue.record("no rows for \(name)", sourceLocation: place)
            return
        }
        func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10)%" }
        print("accuracy \(name): \(count) rows, median \(percent(median)), p90 \(percent(p90)), bias \(percent(bias))")
        #expect(median <= medianBound, "median error of \(name)", sourceLocation: place)
        #expect(p90 <= p90Bound, "90th percentile of the error of \(name)", sourceLocation: place)
    }
}
