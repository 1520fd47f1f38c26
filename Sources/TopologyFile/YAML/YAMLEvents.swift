import CYAML

/// libyaml's event stream over bytes that outlive it.
final class YAMLEvents {
    enum Kind {
        case streamStart, streamEnd, documentStart, documentEnd, alias, scalar, sequenceStart, sequenceEnd, mappingStart, mappingEnd
    }

    /// One event, copied out of libyaml.
    struct Event {
        var kind: Kind
        var mark: yaml_mark_t
        /// A scalar's value, an alias's name.
        var text = ""
        var isPlain = false
        var anchor: String?
        var tag: String?
    }

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let bytes: UnsafeBufferPointer<UInt8>

    init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        self.bytes = bytes
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            return nil
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    /// The next event, or `nil` on an error: see `problem`.
    func next() -> Event? {
        var raw = yaml_event_t()
        guard yaml_parser_parse(parser, &raw) == 1 else { return nil }
        defer { yaml_event_delete(&raw) }
        switch raw.type {
        case YAML_STREAM_START_EVENT: return Event(kind: .streamStart, mark: raw.start_mark)
        case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, mark: raw.start_mark)
        case YAML_DOCUMENT_END_EVENT: return Event(kind: .documentEnd, mark: raw.start_mark)
        case YAML_ALIAS_EVENT: return Event(kind: .alias, mark: raw.start_mark, text: Self.text(raw.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT:
            let scalar = raw.data.scalar
            let value = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            return Event(
                kind: .scalar, mark: raw.start_mark, text: String(decoding: value, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE,
                anchor: Self.text(scalar.anchor), tag: Self.text(scalar.tag))
        case YAML_SEQUENCE_START_EVENT:
            let start = raw.data.sequence_start
            return Event(kind: .sequenceStart, mark: raw.start_mark, anchor: Self.text(start.anchor), tag: Self.text(start.tag))
        case YAML_SEQUENCE_END_EVENT: return Event(kind: .sequenceEnd, mark: raw.start_mark)
        case YAML_MAPPING_START_EVENT:
            let start = raw.data.mapping_start
            return Event(kind: .mappingStart, mark: raw.start_mark, anchor: Self.text(start.anchor), tag: Self.text(start.tag))
        case YAML_MAPPING_END_EVENT: return Event(kind: .mappingEnd, mark: raw.start_mark)
        default: return Event(kind: .streamEnd, mark: raw.start_mark)
        }
    }

    /// What stopped the stream, with its place.
    var problem: (mark: yaml_mark_t, message: String) {
        let state = parser.pointee
        let words = state.problem.map { String(cString: $0) } ?? "the text cannot be read"
        switch state.error {
        case YAML_READER_ERROR:
            return (markOfByte(Int(clamping: state.problem_offset)), "found a character that YAML does not allow (\(words)), expected printable text")
        case YAML_SCANNER_ERROR where isTab(at: state.problem_mark):
            return (state.problem_mark, "found a tab, expected spaces")
        default:
            let context = state.context.map { " " + String(cString: $0) } ?? ""
            return (state.problem_mark, "invalid YAML: \(words)\(context), expected a valid document")
        }
    }

    private func isTab(at mark: yaml_mark_t) -> Bool {
        var line = 0
        var column = 0
        for byte in bytes {
            if line == mark.line, column == mark.column { return byte == UInt8(ascii: "\t") }
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 0
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return false
    }

    private func markOfByte(_ offset: Int) -> yaml_mark_t {
        let (line, column) = lineAndColumn(of: offset, in: bytes)
        return yaml_mark_t(index: offset, line: line - 1, column: column - 1)
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? { pointer.map { String(cString: $0) } }
}

/// Line and column, from 1 and in characters, of a byte in UTF-8 text.
func lineAndColumn(of offset: Int, in bytes: some Collection<UInt8>) -> (line: Int, column: Int) {
    var line = 1
    var column = 1
    for byte in bytes.prefix(offset) {
        if byte == UInt8(ascii: "\n") {
            line += 1
            column = 1
        } else if byte & 0xC0 != 0x80 {
            column += 1
        }
    }
    return (line, column)
}
