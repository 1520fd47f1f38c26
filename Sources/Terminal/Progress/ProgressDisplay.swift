import Quantities

/// Draws progress for standard error: gives the text to write and leaves the writing to the caller.
public struct ProgressDisplay: Sendable {
    /// How progress is shown.
    public enum Mode: Sendable, Equatable {
        /// One line, redrawn in place.
        case live(columns: Int, style: Style)
        /// A line from time to time, for logs.
        case lines
        case quiet

        /// What suits a stream.
        public init(_ capabilities: Capabilities, quiet: Bool) {
            if quiet {
                self = .quiet
            } else {
                self = capabilities.isTerminal ? .live(columns: capabilities.columns, style: capabilities.style) : .lines
            }
        }

        /// Least host time between two drawings.
        var interval: Nanoseconds {
            switch self {
            case .live: nanosecondsPerSecond / 10
            case .lines, .quiet: 10 * nanosecondsPerSecond
            }
        }
    }

    private let mode: Mode
    private var lastDrawing: Nanoseconds?
    private var lineIsOpen = false

    public init(_ mode: Mode) { self.mode = mode }

    /// The text to write for a state, or `nil` when it is too early for the next drawing.
    /// - Parameter now: host time in nanoseconds, from the origin that the state's reports have.
    public mutating func draw(_ state: ProgressState, now: Nanoseconds) -> String? {
        guard mode != .quiet, state.latest != nil else { return nil }
        guard let lastDrawing else {
            // The first drawing of a log waits a whole interval: a short run prints none.
            self.lastDrawing = now
            return isLive ? text(state) : nil
        }
        guard now - lastDrawing >= mode.interval else { return nil }
        self.lastDrawing = now
        return text(state)
    }

    /// The text that leaves the line clean for what is printed next, or `nil` when nothing was drawn.
    public mutating func clear() -> String? {
        guard lineIsOpen else { return nil }
        lineIsOpen = false
        return "\r\u{1b}[K"
    }

    private var isLive: Bool {
        if case .live = mode { return true }
        return false
    }

    private mutating func text(_ state: ProgressState) -> String {
        let parts = Self.parts(of: state)
        guard case .live(let columns, let style) = mode else { return parts.joined(separator: ", ") + "\n" }
        lineIsOpen = true
        return "\r" + style.faint(Self.line(parts, columns: columns)) + "\u{1b}[K"
    }

    /// As many parts as fit: a line as wide as the terminal would wrap and could not be redrawn.
    private static func line(_ parts: [String], columns: Int) -> String {
        var line = ""
        for part in parts {
            let longer = line.isEmpty ? part : line + "  " + part
            guard longer.count < columns else { break }
            line = longer
        }
        return line
    }

    static func parts(of state: ProgressState) -> [String] {
        guard let latest = state.latest else { return [] }
        let total = state.expectedRequests ?? latest.offered
        var parts = [
            "\(Figures.clock(seconds(latest.virtualTime))) emulated",
            "\(Figures.count(Int64(latest.done)))/\(Figures.count(Int64(total))) requests",
        ]
        if let share = state.share { parts.append(Figures.share(share)) }
        if let speed = state.speed { parts.append("\(Figures.number(speed))x real time") }
        if let timeLeft = state.timeLeft { parts.append("ETA \(Figures.clock(timeLeft.rounded(.up)))") }
        return parts
    }
}
