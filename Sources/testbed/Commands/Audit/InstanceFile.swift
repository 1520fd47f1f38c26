import Auditing
import Bounds
import Policies
import TopologyFile

/// An instance with predictions as a file: what `testbed bound --instance` reads, with what the policy is told and the memory in further columns.
enum InstanceFile {
    private static let columns = ["arrival", "prompt", "output", "expected", "lower", "upper", "memory"]
    private static let requestLimit = 1_000
    private static let limit = 10_000

    static func text(_ instance: AuditInstance) -> String {
        let rows = instance.requests.map { request in
            let (unit, told) = (request.unit, request.prediction)
            let prediction = told.isKnown ? "\(told.expected),\(told.lower),\(told.upper)" : ",,"
            return "\(unit.arrival),\(unit.prompt),\(unit.output),\(prediction),\(instance.memory)"
        }
        return ([columns.joined(separator: ",")] + rows).map { $0 + "\n" }.joined()
    }

    /// Reads an instance; every mistake has its place.
    static func read(_ path: String) throws(Diagnostic) -> AuditInstance {
        var requests: [AuditRequest] = []
        var memory: Int?
        let table = try CSVFile(path, columns: columns, what: "an instance")
        try table.forEachRow { row throws(Diagnostic) in
            let unit = UnitRequest(
                arrival: try row.integer(0, in: 0...limit), prompt: try row.integer(1, in: 0...limit), output: try row.integer(2, in: 1...limit))
            let tokens = try row.integer(6, in: 1...limit)
            if let memory, tokens != memory { throw row.mistake(6, "\(memory), as in the rows before") }
            guard unit.peak <= tokens else { throw row.mistake(2, "no more than memory leaves beside the prompt, \(tokens - unit.prompt)") }
            guard requests.count < requestLimit else { throw row.mistake(0, "no more than \(requestLimit) requests") }
            memory = tokens
            requests.append(AuditRequest(unit, prediction: try prediction(row, of: unit, memory: tokens)))
        }
        guard let memory else { throw Diagnostic(place: Place(file: path, line: 2), message: "found no request, expected at least one") }
        return AuditInstance(requests, memory: memory)
    }

    /// Nothing is predicted where all three fields are empty.
    private static func prediction(_ row: CSVFile.Row, of unit: UnitRequest, memory: Int) throws(Diagnostic) -> Prediction {
        if (3...5).allSatisfy({ row.text($0).isEmpty }) {
            return OutputPredictor.none.predict(id: 0, promptTokens: Int32(unit.prompt), truth: Int32(unit.output), generated: 0)
        }
        let most = Int(Int32.max)
        let lower = try row.integer(4, in: 1...most)
        let upper = try row.integer(5, in: lower...most)
        return Prediction(expected: Int32(try row.integer(3, in: lower...upper)), lower: Int32(lower), upper: Int32(upper))
    }
}
