import CJansson
import Records

extension JSONValue {
    /// Reads what somebody else wrote; `nil` for anything but one JSON value.
    init?(reading bytes: [UInt8]) {
        var error = json_error_t()
        let root = bytes.withUnsafeBytes { buffer in
            json_loadb(buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count, Int(JSON_REJECT_DUPLICATES), &error)
        }
        guard let root else { return nil }
        defer { json_decref(root) }
        self.init(root)
    }

    /// The library bounds the depth when it reads.
    private init(_ value: UnsafeMutablePointer<json_t>) {
        switch value.pointee.type {
        case JSON_OBJECT:
            var members: [Member] = []
            var place = json_object_iter(value)
            while let here = place {
                if let key = json_object_iter_key(here), let item = json_object_iter_value(here) {
                    members.append(Member(String(cString: key), JSONValue(item)))
                }
                place = json_object_iter_next(value, here)
            }
            self = .object(members)
        case JSON_ARRAY: self = .array((0..<json_array_size(value)).compactMap { json_array_get(value, $0).map { JSONValue($0) } })
        case JSON_STRING: self = .string(json_string_value(value).map { String(cString: $0) } ?? "")
        case JSON_INTEGER: self = .integer(json_integer_value(value))
        case JSON_REAL: self = .number(json_real_value(value))
        case JSON_TRUE: self = .bool(true)
        case JSON_FALSE: self = .bool(false)
        default: self = .null
        }
    }
}

extension JSONValue {
    /// The member of an object; `nil` where there is none.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// The text of a string.
    public var asText: String? { if case .string(let text) = self { text } else { nil } }

    /// A whole number.
    public var asInteger: Int64? { if case .integer(let number) = self { number } else { nil } }

    /// A number, whole or not.
    public var asNumber: Double? {
        switch self {
        case .integer(let number): Double(number)
        case .number(let number): number
        default: nil
        }
    }

    /// True or false.
    public var asFlag: Bool? { if case .bool(let flag) = self { flag } else { nil } }

    /// The elements of a list.
    public var asList: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
}
