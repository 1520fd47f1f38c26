import CJansson
import Quantities
import Workload

/// Mooncake (kvcache-ai/Mooncake): a JSON object a line, `timestamp` in milliseconds, `input_length`, `output_length` and
/// `hash_ids`, one for each 512 tokens of the prompt, equal where prompts share a prefix. Other keys are passed over.
struct MooncakeFormat: TraceFormatReader {
    var hasHeader: Bool { false }

    mutating func readHeader(_ line: LineBytes) throws(LineProblem) {}

    mutating func readRow(_ line: LineBytes) throws(LineProblem) -> TraceRow {
        let object = try JSONObject(line)
        return TraceRow(
            time: try object.milliseconds("timestamp"), promptTokens: try object.tokens("input_length"),
            outputTokens: try object.tokens("output_length"), blockHashes: try object.integers("hash_ids"))
    }
}

/// The JSON object of a line.
private final class JSONObject {
    private let root: UnsafeMutablePointer<json_t>
    private let line: LineBytes

    init(_ line: LineBytes) throws(LineProblem) {
        var error = json_error_t()
        let start = UnsafeRawPointer(line.baseAddress)?.assumingMemoryBound(to: CChar.self)
        guard let root = json_loadb(start, line.count, Int(JSON_REJECT_DUPLICATES), &error) else {
            // The library's words quote the line as it is, control characters included.
            let message = withUnsafeBytes(of: &error.text) { text in
                quoted(LineBytes(rebasing: text.bindMemory(to: UInt8.self).prefix { $0 != 0 }), upTo: 120)
            }
            throw LineProblem(offset: max(0, Int(error.position) - 1), found: "no JSON (\(message))", expected: "a JSON object")
        }
        guard root.pointee.type == JSON_OBJECT else {
            json_decref(root)
            throw LineProblem(offset: 0, found: quoted(line), expected: "a JSON object")
        }
        self.root = root
        self.line = line
    }

    deinit { json_decref(root) }

    /// A time in milliseconds, exact when it is whole and to the nearest nanosecond when it has decimals.
    func milliseconds(_ key: String) throws(LineProblem) -> Nanoseconds {
        let value = try value(key)
        let expected = "milliseconds from 0 to \(longestTraceSeconds * 1_000)"
        switch value.pointee.type {
        case JSON_INTEGER:
            let number = json_integer_value(value)
            guard number >= 0, number <= longestTraceSeconds * 1_000 else { throw problem(key, "\(number)", expected) }
            return number * 1_000_000
        case JSON_REAL:
            let number = json_real_value(value)
            guard number >= 0, number <= Double(longestTraceSeconds) * 1_000 else { throw problem(key, "\(number)", expected) }
            return Int64((number * 1e6).rounded(.toNearestOrAwayFromZero))
        default:
            throw problem(key, name(value), expected)
        }
    }

    func tokens(_ key: String) throws(LineProblem) -> Int32 {
        let value = try value(key)
        let expected = "a whole number of tokens from 0 to \(longestRequestTokens)"
        guard value.pointee.type == JSON_INTEGER else { throw problem(key, name(value), expected) }
        let number = json_integer_value(value)
        guard number >= 0, number <= longestRequestTokens else { throw problem(key, "\(number)", expected) }
        return Int32(number)
    }

    /// A list of whole numbers; empty when the key is not there.
    func integers(_ key: String) throws(LineProblem) -> [Int64] {
        guard let list = json_object_get(root, key) else { return [] }
        guard list.pointee.type == JSON_ARRAY else { throw problem(key, name(list), "a list of whole numbers") }
        let count = json_array_size(list)
        var numbers: [Int64] = []
        numbers.reserveCapacity(count)
        for index in 0..<count {
            guard let element = json_array_get(list, index), element.pointee.type == JSON_INTEGER else {
                throw problem(key, "something else at place \(index + 1)", "a list of whole numbers")
            }
            numbers.append(json_integer_value(element))
        }
        return numbers
    }

    private func value(_ key: String) throws(LineProblem) -> UnsafeMutablePointer<json_t> {
        guard let value = json_object_get(root, key) else {
            throw LineProblem(offset: 0, found: "no '\(key)'", expected: "an object with 'timestamp', 'input_length' and 'output_length'")
        }
        return value
    }

    private func problem(_ key: String, _ found: String, _ expected: String) -> LineProblem {
        LineProblem(offset: offset(of: key), found: "\(found) as '\(key)'", expected: expected)
    }

    /// Where the key stands in the line, or 0 when it is written with escapes.
    private func offset(of key: String) -> Int {
        let pattern = Array("\"\(key)\"".utf8)
        guard line.count >= pattern.count else { return 0 }
        return (0...line.count - pattern.count).first { line[$0..<$0 + pattern.count].elementsEqual(pattern) } ?? 0
    }

    private func name(_ value: UnsafeMutablePointer<json_t>) -> String {
        switch value.pointee.type {
        case JSON_OBJECT: "an object"
        case JSON_ARRAY: "a list"
        case JSON_STRING: "a text"
        case JSON_REAL: "\(json_real_value(value))"
        case JSON_INTEGER: "\(json_integer_value(value))"
        case JSON_NULL: "null"
        default: "true or false"
        }
    }
}
