/// What a stream can show.
public struct Capabilities: Sendable, Equatable {
    /// Whether a person watches: lines may then be redrawn.
    public var isTerminal: Bool
    /// Characters in a line; 80 where nobody says.
    public var columns: Int
    public var style: Style

    /// Decides from what the system says.
    ///
    /// Colour needs a terminal that is not `TERM=dumb`, and no `NO_COLOR` with a value (no-color.org). A dumb terminal cannot redraw a line
    /// either and counts as none. `COLUMNS` stands in where the terminal does not know its width.
    /// - Parameters:
    ///   - columns: the terminal's own width, 0 when unknown.
    ///   - environment: looks up a variable.
    public init(isTerminal: Bool, columns: Int, environment: (String) -> String?) {
        let isCapable = isTerminal && environment("TERM") != "dumb"
        self.isTerminal = isCapable
        let stated = environment("COLUMNS").flatMap { Int($0) } ?? 0
        let width = columns > 0 ? columns : stated
        self.columns = width > 0 ? max(20, min(width, 1000)) : 80
        style = Style(usesColour: isCapable && (environment("NO_COLOR") ?? "").isEmpty)
    }
}
