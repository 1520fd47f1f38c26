import CXXHash
import Transport

/// The versions of the libraries that the program runs with.
public enum LibraryVersions {
    /// Libraries by name, those of the transport first, in an order that never changes.
    public static var all: [(name: String, version: String)] {
        let number = XXH_versionNumber()
        return TransportLibraries.versions + [("xxhash", "\(number / 10000).\(number / 100 % 100).\(number % 100)")]
    }
}
