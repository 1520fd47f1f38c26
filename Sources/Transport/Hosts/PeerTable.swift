/// Where the nodes of a run listen and by which keys they are known, as one of them sees it.
public struct PeerTable: Sendable, Equatable {
    /// A node.
    public struct Peer: Sendable, Equatable {
        /// Such as `tcp://host:7001`.
        public var endpoint: String
        public var key: String

        public init(endpoint: String, key: String) {
            self.endpoint = endpoint
            self.key = key
        }
    }

    /// By the nodes' indices.
    public var peers: [Peer]
    /// The keys of the node whose table this is.
    public var own: CurveKeys

    public init(peers: [Peer], own: CurveKeys) {
        self.peers = peers
        self.own = own
    }

    /// The peers as text, a line each.
    public static func text(_ peers: [Peer]) -> String { peers.map { "\($0.endpoint) \($0.key)\n" }.joined() }

    /// Reads the peers' text; `nil` when it is none.
    public static func peers(reading text: String) -> [Peer]? {
        var peers: [Peer] = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count == 2, isEndpoint(words[0]), CurveKeys.isKey(words[1]) else { return nil }
            peers.append(Peer(endpoint: words[0], key: words[1]))
        }
        return peers
    }

    /// Whether a text is `tcp://HOST:PORT`.
    public static func isEndpoint(_ text: String) -> Bool {
        guard text.hasPrefix("tcp://"), text.utf8.count <= 300, let colon = text.lastIndex(of: ":") else { return false }
        let host = text[text.index(text.startIndex, offsetBy: 6)...].prefix { $0 != ":" }
        guard !host.isEmpty, host.utf8.allSatisfy({ isOfName($0) }), text.index(text.startIndex, offsetBy: 6 + host.count) == colon else {
            return false
        }
        return UInt16(text[text.index(after: colon)...]).map { $0 > 0 } ?? false
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_")].contains(byte)
        }
    }
}
