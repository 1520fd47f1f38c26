extension ValueKind {
    /// What is wrong with a value, or `nil`: what was found and what was expected.
    func problem(with text: String) -> String? {
        switch self {
        case .text: text.isEmpty ? "found an empty value" : nil
        case .integer(let range): Self.integerProblem(text, range)
        case .positiveNumber(let limit): Self.numberProblem(text, limit)
        case .choice(let words): Self.choiceProblem(text, words)
        case .list(let words): Self.listProblem(text, words)
        case .assignment:
            text.first == "=" || !text.contains("=") ? "found '\(text)', expected KEY=VALUE" : nil
        case .checked(let check): check(text)
        }
    }

    /// The words that a shell can offer.
    var words: [String] {
        switch self {
        case .choice(let words), .list(let words): words
        default: []
        }
    }

    private static func integerProblem(_ text: String, _ range: ClosedRange<UInt64>) -> String? {
        // UInt64 would take a leading plus sign.
        if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt64(text), range.contains(number) { return nil }
        let expected = range.upperBound == .max ? "at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
        return "found '\(text)', expected a whole number \(expected)"
    }

    private static func numberProblem(_ text: String, _ limit: Double) -> String? {
        if let number = plainNumber(text), number > 0, number <= limit { return nil }
        return "found '\(text)', expected a number more than 0 and at most \(limit)"
    }

    private static func choiceProblem(_ text: String, _ words: [String]) -> String? {
        words.contains(text) ? nil : "found '\(text)', expected \(alternatives(words))" + didYouMean(text, among: words)
    }

    private static func listProblem(_ text: String, _ words: [String]) -> String? {
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            if let problem = choiceProblem(String(word), words) { return problem }
        }
        return nil
    }
}
