extension [Int32] {
    /// Makes the array `count` zeros, in its own storage when that is large enough.
    public mutating func reset(count: Int) {
        removeAll(keepingCapacity: true)
        append(contentsOf: repeatElement(0, count: count))
    }
}
