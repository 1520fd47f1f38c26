import CXXHash

/// A digest of bytes (XXH3, 128 bits): tells records apart, does not guard against forgery.
public final class Digest {
    private let state: OpaquePointer

    public init() {
        guard let state = XXH3_createState() else { preconditionFailure("no memory for a digest of half a kilobyte") }
        self.state = state
        XXH3_128bits_reset(state)
    }

    deinit { XXH3_freeState(state) }

    /// Adds bytes.
    public func update(_ bytes: UnsafeRawBufferPointer) { XXH3_128bits_update(state, bytes.baseAddress, bytes.count) }

    /// Adds the bytes of a text.
    public func update(_ text: String) {
        var text = text
        text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }

    /// The digest of all bytes so far, 32 hexadecimal digits.
    public var hexadecimal: String {
        let hash = XXH3_128bits_digest(state)
        func digits(_ word: UInt64) -> String {
            let text = String(word, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        return digits(hash.high64) + digits(hash.low64)
    }
}
