import Bounds
import Foundation
import Quantities
import Testing

/// Least costs of programmes by HiGHS; `nil` when the host has no scipy.
private func reference(_ programs: [LinearProgram]) throws -> [Double]? {
    let script = """
        import json, sys
        try:
            from scipy.optimize import milp, LinearConstraint, Bounds
            from scipy.sparse import csr_matrix
        except ImportError:
            sys.exit(77)
        for p in json.load(sys.stdin):
            a = csr_matrix((p["values"], p["columns"], p["starts"]), shape=(len(p["low"]), len(p["costs"])))
            r = milp(p["costs"], bounds=Bounds(p["lower"], p["upper"]), constraints=LinearConstraint(a, p["low"], p["high"]))
            print(repr(r.fun))
        """
    // JSON has no infinity: a bound that no row of these programmes comes near.
    func clipped(_ bounds: [Double]) -> [Double] { bounds.map { min(max($0, -1e20), 1e20) } }
    let input = try JSONSerialization.data(
        withJSONObject: programs.map { program -> [String: Any] in
            [
                "costs": program.costs, "lower": clipped(program.columnLower), "upper": clipped(program.columnUpper),
                "low": clipped(program.rowLower), "high": clipped(program.rowUpper), "starts": program.rowStarts.map(Int.init),
                "columns": program.columns.map(Int.init), "values": program.coefficients,
            ]
        })
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("programmes-\(UUID().uuidString).json")
    try input.write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", script]
    process.standardInput = try FileHandle(forReadingFrom: file)
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return process.terminationStatus == 0 ? text.split(separator: "\n").compactMap { Double($0) } : nil
}

@Test("random programmes have the least cost that HiGHS finds")
func agreesWithReference() throws {
    var random = RandomStream(seed: 31, stream: 0)
    var programs = (0..<40).map { _ in randomProgram(&random, columns: 20 + random.below(60), rows: 5 + random.below(25)) }
    programs += (0..<10).map { _ in publishedProgram(&random) }
    guard let costs = try reference(programs) else {
        print("no python3 with scipy: the comparison with HiGHS is left out")
        return
    }
    try #require(costs.count == programs.count)
    for (program, cost) in zip(programs, costs) { #expect(abs(try SimplexSolver.solve(program).objective - cost) < 1e-6 * max(1, abs(cost))) }
}
