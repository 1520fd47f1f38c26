import Testing

@testable import Launch

@Suite("The digest")
struct DigestTests {
    /// The first bytes of the buffer that xxHash's own sanity test hashes (tests/sanity_test.c).
    private func buffer(_ count: Int) -> [UInt8] {
        var generator: UInt64 = 2_654_435_761
        return (0..<count).map { _ in
            defer { generator = generator &* 11_400_714_785_074_694_797 }
            return UInt8(generator >> 56)
        }
    }

    @Test(
        "is XXH3 with 128 bits as published",
        arguments: [
            (0, "99aa06d3014798d86001c324468d497f"), (1, "a6cd5e9392000f6ac44bdff4074eecdb"), (6, "082afe0b8162d12a3e7039bdda43cfc6"),
            (12, "6e3efd8fc7802b18061a192713f69ad9"), (24, "0ce966e4678d37611e7044d28b1b901d"), (48, "a002ac4e5478227ef942219aed80f67b"),
            (222, "337e09641b948717f1aebd597cec6b3a"), (403, "1b6de21e332dd73dcdeb804d65c6dea4"),
        ])
    func vectors(count: Int, expected: String) {
        let digest = Digest()
        buffer(count).withUnsafeBytes { digest.update($0) }
        #expect(digest.hexadecimal == expected)
    }

    @Test("does not depend on how the bytes are cut")
    func pieces() {
        let bytes = buffer(5000)
        let whole = Digest()
        bytes.withUnsafeBytes { whole.update($0) }
        for size in [1, 7, 256, 1024] {
            let cut = Digest()
            for start in stride(from: 0, to: bytes.count, by: size) {
                Array(bytes[start..<min(start + size, bytes.count)]).withUnsafeBytes { cut.update($0) }
            }
            #expect(cut.hexadecimal == whole.hexadecimal)
        }
    }

    @Test("of a text is that of its bytes")
    func text() {
        let (text, bytes) = (Digest(), Digest())
        text.update("größer")
        Array("größer".utf8).withUnsafeBytes { bytes.update($0) }
        #expect(text.hexadecimal == bytes.hexadecimal)
    }
}
