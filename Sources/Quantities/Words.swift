/// Reads 64-bit words in order. Beyond the end, and for what cannot be, it gives zeros and remembers that it did.
public struct WordReader {
    private let words: [Int64]
    private var place = 0
    private var isRefused = false

    public init(_ words: [Int64]) { self.words = words }

    /// Whether exactly the words there were have been read, and made sense.
    public var isComplete: Bool { !isRefused && place == words.count }

    /// The next word.
    public mutating func next() -> Int64 {
        guard place < words.count else {
            isRefused = true
            return 0
        }
        defer { place += 1 }
        return words[place]
    }

    /// The next word, which must be from 0 to `limit`. By default that is far above any time, count or size of a run, and leaves room to add some.
    public mutating func amount(upTo limit: Int64 = 1 << 60) -> Int64 {
        let word = next()
        guard word >= 0, word <= limit else {
            isRefused = true
            return 0
        }
        return word
    }

    /// Remembers that what was read makes no sense.
    public mutating func refuse() { isRefused = true }

    /// A count of things that take at least `size` words each; 0, and an overrun, for more than there can be.
    public mutating func count(of size: Int) -> Int {
        let count = next()
        guard count >= 0, count <= Int64((words.count - place) / size) else {
            isRefused = true
            return 0
        }
        return Int(count)
    }
}
