/// Counts in as few bytes as they need, little-endian, one after the other: they are most of what a gang's ranks tell each other.
public struct PackedCounts: Sendable, Equatable {
    /// Bytes of a count: 1 or 2 without a sign, or 4 with one.
    public let width: Int
    public let bytes: [UInt8]

    /// How many counts there are.
    public var count: Int { bytes.count / width }

    /// Counts that are packed already; what is over a whole count is cut off.
    public init(bytes: [UInt8], width: Int) {
        self.width = width == 1 || width == 2 ? width : 4
        self.bytes = bytes.count.isMultiple(of: self.width) ? bytes : Array(bytes.dropLast(bytes.count % self.width))
    }

    public init(_ counts: [Int32]) {
        // One look at all bits instead of one at each number.
        var bits: UInt32 = 0
        for count in counts { bits |= UInt32(bitPattern: count) }
        let width = Self.width(upTo: bits <= UInt32(Int32.max) ? Int64(bits) : .max)
        self.width = width
        bytes = [UInt8](unsafeUninitializedCapacity: counts.count * width) { place, filled in
            counts.withUnsafeBufferPointer { Self.write($0, width: width, to: UnsafeMutableRawPointer(place.baseAddress), at: 0) }
            filled = counts.count * width
        }
    }

    /// Bytes for counts up to a number.
    static func width(upTo largest: Int64) -> Int { largest <= 0xFF ? 1 : largest <= 0xFFFF ? 2 : 4 }

    /// Writes counts from the place of the count `first` on.
    static func write(_ counts: UnsafeBufferPointer<Int32>, width: Int, to place: UnsafeMutableRawPointer?, at first: Int) {
        guard let place = place.map({ $0 + first * width }) else { return }
        switch width {
        case 1: for index in 0..<counts.count { place.storeBytes(of: UInt8(truncatingIfNeeded: counts[index]), toByteOffset: index, as: UInt8.self) }
        case 2:
            for index in 0..<counts.count {
                place.storeBytes(of: UInt16(truncatingIfNeeded: counts[index]).littleEndian, toByteOffset: 2 * index, as: UInt16.self)
            }
        default: for index in 0..<counts.count { place.storeBytes(of: counts[index].littleEndian, toByteOffset: 4 * index, as: Int32.self) }
        }
    }

    /// Overwrites the start of `counts` with the `number` ones from `first` on.
    func read(_ first: Int, _ number: Int, into counts: UnsafeMutableBufferPointer<Int32>) {
        bytes.withUnsafeBytes { raw in
            for index in 0..<number {
                let place = (first + index) * width
                switch width {
                case 1: counts[index] = Int32(raw[place])
                case 2: counts[index] = Int32(UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: place, as: UInt16.self)))
                default: counts[index] = Int32(littleEndian: raw.loadUnaligned(fromByteOffset: place, as: Int32.self))
                }
            }
        }
    }

    /// The counts one by one.
    public var unpacked: [Int32] {
        [Int32](unsafeUninitializedCapacity: count) { place, filled in
            read(0, count, into: place)
            filled = count
        }
    }
}
