import Quantities

/// Time of one dispatch to, or combine from, the experts of all ranks: `latency + bytes / bandwidth`, the slower of the path inside the host and the
/// path over the network cards, for the rank that sends or receives most.
///
/// Two parameters for each path, fitted to measurements of whole all-to-alls; no contention beyond that. Errors stand in
/// `Sources/Models/README.md`.
public struct AllToAllModel: Sendable, Equatable {
    /// One kind of link with the software that drives it.
    public struct Path: Sendable, Equatable {
        /// Nanoseconds of an all-to-all without bytes: launch, signalling, the wait for all.
        public var latency: Nanoseconds
        /// Bytes per second that a rank reaches in one direction.
        public var bandwidth: BytesPerSecond

        public init(latency: Nanoseconds, bandwidth: BytesPerSecond) {
            self.latency = latency
            self.bandwidth = bandwidth
        }
    }

    /// Both paths in one phase.
    public struct Phase: Sendable, Equatable {
        /// Between ranks of a host.
        public var scaleUp: Path
        /// Between hosts.
        public var scaleOut: Path

        public init(scaleUp: Path, scaleOut: Path) {
            self.scaleUp = scaleUp
            self.scaleOut = scaleOut
        }

        /// The time for the rank with the most bytes on each path, the larger of its two directions; 0 without bytes.
        public func time(scaleUp near: ByteCount, scaleOut far: ByteCount) -> Nanoseconds {
            let inside = near > 0 ? min(scaleUp.latency + transmissionTime(near, at: scaleUp.bandwidth), .never) : 0
            let outside = far > 0 ? min(scaleOut.latency + transmissionTime(far, at: scaleOut.bandwidth), .never) : 0
            return max(inside, outside)
        }
    }

    public var name: String
    public var dispatch: Phase
    public var combine: Phase
    /// Ranks of one host.
    public var hostRanks: Int
    /// Whether it was measured with kernels that send a token once to each host or rank, and not once for each expert.
    public var isPerHost: Bool
    /// Where the numbers come from.
    public var source: String

    public init(name: String, dispatch: Phase, combine: Phase, hostRanks: Int = 8, isPerHost: Bool = false, source: String) {
        self.name = name
        self.dispatch = dispatch
        self.combine = combine
        self.hostRanks = hostRanks
        self.isPerHost = isPerHost
        self.source = source
    }

    /// Bytes that stay in the host and bytes that leave it, when a rank's `bytes` go to all of `ranks` ranks alike, itself among them.
    public func split(_ bytes: ByteCount, ranks: Int) -> (scaleUp: ByteCount, scaleOut: ByteCount) {
        guard ranks > hostRanks else { return (bytes, 0) }
        let near = ByteCount((Double(bytes) * Double(hostRanks) / Double(ranks)).rounded())
        return (near, bytes - near)
    }

    /// The dispatch of `bytes` from each of `ranks` ranks, evenly spread.
    public func dispatchTime(_ bytes: ByteCount, ranks: Int) -> Nanoseconds {
        let parts = split(bytes, ranks: ranks)
        return dispatch.time(scaleUp: parts.scaleUp, scaleOut: parts.scaleOut)
    }

    /// The combine of `bytes` to each of `ranks` ranks, evenly spread.
    public func combineTime(_ bytes: ByteCount, ranks: Int) -> Nanoseconds {
        let parts = split(bytes, ranks: ranks)
        return combine.time(scaleUp: parts.scaleUp, scaleOut: parts.scaleOut)
    }
}

/// The all-to-alls that a topology can name.
extension AllToAllModel {
    /// All of them, in the order in which they are listed.
    public static let all = [deepEPH800, deepEPH100, deepEPH100Engine, deepEPH100Normal, cloudMatrix384]

    /// The one with this name, or `nil`.
    public static func named(_ name: String) -> AllToAllModel? { all.first { $0.name == name } }

    /// DeepEP's low-latency kernels on H800 with 400 Gb/s InfiniBand.
    public static let deepEPH800 = lowLatency(
        "deepep-h800", scaleUp: Path(latency: 37_600, bandwidth: 192_000_000_000), scaleOut: Path(latency: 30_000, bandwidth: 44_000_000_000),
        source: "DeepEP, table of low-latency kernels, EP8 (scale-up) and EP16 to EP256 (scale-out)")

    /// DeepEP's low-latency kernels on H100.
    public static let deepEPH100 = lowLatency(
        "deepep-h100", scaleUp: Path(latency: 11_000, bandwidth: 262_000_000_000), scaleOut: Path(latency: 30_000, bandwidth: 44_000_000_000),
        source: "aiconfigurator, DeepEP low-latency kernels on one H100 host; scale-out as deepep-h800")

    /// DeepEP's low-latency kernels on H100 as an engine calls them.
    public static let deepEPH100Engine: AllToAllModel = {
        let scaleOut = Path(latency: 80_000, bandwidth: 44_000_000_000)
        return AllToAllModel(
            name: "deepep-h100-engine",
            dispatch: Phase(scaleUp: Path(latency: 60_000, bandwidth: 128_000_000_000), scaleOut: scaleOut),
            combine: Phase(scaleUp: Path(latency: 44_000, bandwidth: 256_000_000_000), scaleOut: scaleOut),
            source: "aiconfigurator, deepep_ll on one H100 host; scale-out: as deepep-h800 with 50 us more, a guess")
    }()

    /// DeepEP's normal (high-throughput, prefill) kernels on H100. A token goes once to each host or rank with experts that it picked.
    public static let deepEPH100Normal: AllToAllModel = {
        let scaleOut = Path(latency: 245_000, bandwidth: 50_000_000_000)
        return AllToAllModel(
            name: "deepep-h100-normal",
            dispatch: Phase(scaleUp: Path(latency: 245_000, bandwidth: 142_000_000_000), scaleOut: scaleOut),
            combine: Phase(scaleUp: Path(latency: 85_000, bandwidth: 206_000_000_000), scaleOut: scaleOut), isPerHost: true,
            source: "aiconfigurator, deepep_ht on one H100 host; scale-out: 43 to 58 GB/s, DeepEP's table of normal kernels, latency assumed")
    }()

    /// CloudMatrix384: one fabric for all ranks, whose time is nearly all latency.
    public static let cloudMatrix384 = lowLatency(
        "cloudmatrix384", scaleUp: Path(latency: 89_000, bandwidth: 392_000_000_000), scaleOut: Path(latency: 122_000, bandwidth: 392_000_000_000),
        source: "notes on CloudMatrix-Infer, EP8 and EP256; bandwidth: that of the fabric, not fitted")

    private static func lowLatency(_ name: String, scaleUp: Path, scaleOut: Path, source: String) -> AllToAllModel {
        let phase = Phase(scaleUp: scaleUp, scaleOut: scaleOut)
        return AllToAllModel(name: name, dispatch: phase, combine: phase, source: source)
    }
}
