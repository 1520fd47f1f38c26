import CZMQ

/// A pair of keys of CURVE (Curve25519), each as text of 40 characters (Z85).
public struct CurveKeys: Sendable, Equatable {
    public var publicKey: String
    public var secretKey: String

    public init(publicKey: String, secretKey: String) {
        self.publicKey = publicKey
        self.secretKey = secretKey
    }

    /// Characters of a key.
    static let length = 40

    /// A new pair.
    public static func make() throws(SystemError) -> CurveKeys {
        guard zmq_has("curve") == 1 else { throw SystemError("this libzmq has no CURVE, which connections between hosts need") }
        var publicKey = [CChar](repeating: 0, count: length + 1)
        var secretKey = publicKey
        guard zmq_curve_keypair(&publicKey, &secretKey) == 0 else { throw SystemError("zmq_curve_keypair", code: zmq_errno()) }
        func text(_ key: [CChar]) -> String { String(decoding: key.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self) }
        return CurveKeys(publicKey: text(publicKey), secretKey: text(secretKey))
    }

    /// The 32 bytes of a key; `nil` for a text that is none.
    static func bytes(_ key: String) -> [UInt8]? {
        guard key.utf8.count == length, !key.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f }) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 32)
        return zmq_z85_decode(&bytes, key) == nil ? nil : bytes
    }

    /// Whether a text is a key.
    public static func isKey(_ text: String) -> Bool { bytes(text) != nil }
}

/// What a file of keys holds: one's own pair, and the public keys of whom one talks to. As text, a line each, such as `node prefill-0 KEY`.
public struct KeyFile: Sendable, Equatable {
    /// A name and its public key.
    public struct Peer: Sendable, Equatable {
        public var name: String
        public var key: String

        public init(name: String, key: String) {
            self.name = name
            self.key = key
        }
    }

    /// Whose it is: a node's name, or `launcher`.
    public var name: String
    public var own: CurveKeys
    /// For a node, the launcher; for the launcher, every node.
    public var peers: [Peer]

    /// The launcher's name.
    public static let launcher = "launcher"

    public init(name: String, own: CurveKeys, peers: [Peer]) {
        self.name = name
        self.own = own
        self.peers = peers
    }

    /// New keys for a launcher and for nodes of these names.
    public static func make(for nodes: [String]) throws(SystemError) -> (launcher: KeyFile, nodes: [KeyFile]) {
        let launcher = try CurveKeys.make()
        let files = try nodes.map { name throws(SystemError) in
            KeyFile(name: name, own: try CurveKeys.make(), peers: [Peer(name: Self.launcher, key: launcher.publicKey)])
        }
        return (KeyFile(name: Self.launcher, own: launcher, peers: files.map { Peer(name: $0.name, key: $0.own.publicKey) }), files)
    }

    /// The file's text.
    public var text: String {
        let head = ["# Keys for one run of testbed: keep them secret.", "own \(name) \(own.publicKey) \(own.secretKey)"]
        return (head + peers.map { "peer \($0.name) \($0.key)" }).joined(separator: "\n") + "\n"
    }

    /// Reads a file's text; `nil` when it is none.
    public init?(reading text: String) {
        guard let files = Self.all(reading: text), files.count == 1 else { return nil }
        self = files[0]
    }

    /// Reads the text of one or more files, one after the other; `nil` when it is none.
    public static func all(reading text: String) -> [KeyFile]? {
        var files: [KeyFile] = []
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let words = line.split(separator: " ").map(String.init)
            switch (words.first, words.count) {
            case ("own", 4): files.append(KeyFile(name: words[1], own: CurveKeys(publicKey: words[2], secretKey: words[3]), peers: []))
            case ("peer", 3) where !files.isEmpty: files[files.count - 1].peers.append(Peer(name: words[1], key: words[2]))
            default: return nil
            }
        }
        let keys = files.flatMap { file in [file.own.publicKey, file.own.secretKey] + file.peers.map(\.key) }
        return files.isEmpty || !keys.allSatisfy(CurveKeys.isKey) ? nil : files
    }
}
