/// Emphasis on a terminal, or none.
public struct Style: Sendable, Equatable {
    /// Whether escape sequences are written.
    public var usesColour: Bool

    /// Text without any escape sequence.
    public static let plain = Style(usesColour: false)

    public init(usesColour: Bool) { self.usesColour = usesColour }

    /// For headings.
    public func bold(_ text: String) -> String { escaped(text, "1") }
    /// For what can be skipped.
    public func faint(_ text: String) -> String { escaped(text, "2") }
    /// For errors.
    public func red(_ text: String) -> String { escaped(text, "31") }
    /// For warnings.
    public func yellow(_ text: String) -> String { escaped(text, "33") }

    private func escaped(_ text: String, _ code: String) -> String {
        usesColour && !text.isEmpty ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }
}
