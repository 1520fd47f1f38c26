/// Text in double quotes with the escapes of YAML, which up to U+FFFF are those of JSON.
/// - Parameter escapes: which characters are written by their number, beside quote, backslash, newline and tab, which have escapes of their own.
public func doubleQuoted(_ text: String, escapes: (Unicode.Scalar) -> Bool) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\t": result += "\\t"
        default:
            guard escapes(scalar) else {
                result.unicodeScalars.append(scalar)
                continue
            }
            let digits = String(scalar.value, radix: 16)
            let width = scalar.value > 0xFFFF ? 8 : 4
            result += (width == 8 ? "\\U" : "\\u") + String(repeating: "0", count: width - digits.count) + digits
        }
    }
    return result + "\""
}
