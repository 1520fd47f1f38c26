/// Reads 64-bit words in order. Beyond the end it gives zeros and remembers that it did.
public struct WordReader {
    private let words: [Int64]
    private var place = 0
    private var hasOverrun = false

    public init(_ words: [Int64]) { self.words = words }

    /// Whether exactly the words there were have been read.
    public var isComplete: Bool { !hasOverrun && place == words.count }

    /// The next word.
    public mutating func next() -> Int64 {
        guard place < words.count else {
            hasOverrun = true
            return 0
        }
        defer { place += 1 }
        return words[place]
    }

    /// A count of things that take at least `size` words each; 0, and an overrun, for more than there can be.
    public mutating func count(of size: Int) -> Int {
        let count = next()
        guard count >= 0, count <= Int64((words.count - place) / size) else {
            hasOverrun = true
            return 0
        }
        return Int(count)
    }
}
