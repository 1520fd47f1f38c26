import Quantities

/// The numbers of an accelerator that time, memory and energy depend on. Dense peaks, one direction of each link.
public struct DeviceShape: Sendable, Equatable {
    public var name: String
    /// Peak in FLOP/s with two-byte elements.
    public var flops16: Double
    /// Peak in FLOP/s with one-byte elements; 0 when the device has none.
    public var flops8: Double
    /// Memory in bytes.
    public var memory: ByteCount
    /// Memory bandwidth in bytes per second.
    public var memoryBandwidth: BytesPerSecond
    /// Link to the other devices of the same host, bytes per second.
    public var scaleUpBandwidth: BytesPerSecond
    /// Network card, bytes per second for each device.
    public var nicBandwidth: BytesPerSecond
    /// Power in watts: idle, while prefilling, while decoding.
    public var idlePower: Double
    public var prefillPower: Double
    public var decodePower: Double
    /// Share of the peak that large matrix products reach.
    public var computeEfficiency: Double
    /// Share of the memory bandwidth that kernels reach.
    public var memoryEfficiency: Double
    /// Share of the peak that attention over a prompt reaches (causal, counting attended pairs only).
    public var prefillAttentionEfficiency: Double
    /// Share of the memory bandwidth that attention reaches when it reads the cache to decode.
    public var decodeAttentionEfficiency: Double
    /// Share of the peak that products with the experts of a mixture reach: many small ones instead of one large.
    public var expertEfficiency: Double
    /// Fixed cost of a kernel in nanoseconds.
    public var launchOverhead: Nanoseconds
    /// Fixed cost of one attention layer in nanoseconds: rotation, cache update, attention, merging of its parts.
    public var attentionOverhead: Nanoseconds
    /// All-reduce of small messages, in one step: fixed cost in nanoseconds, and share of `scaleUpBandwidth` that it reaches.
    public var collectiveLatency: Nanoseconds
    public var collectiveEfficiency: Double
    /// All-reduce of large messages, by the collective library: the same. The faster of the two counts.
    public var bulkCollectiveLatency: Nanoseconds
    public var bulkCollectiveEfficiency: Double
    /// What a device costs, relative to an L20; 0 where nobody has said.
    public var price: Double
    /// Where the numbers come from.
    public var source: String

    public init(
        name: String, flops16: Double, flops8: Double, memory: ByteCount, memoryBandwidth: BytesPerSecond, scaleUpBandwidth: BytesPerSecond,
        nicBandwidth: BytesPerSecond, idlePower: Double, prefillPower: Double, decodePower: Double, computeEfficiency: Double = 0.8,
        memoryEfficiency: Double = 0.85, prefillAttentionEfficiency: Double = 0.7, decodeAttentionEfficiency: Double = 0.9,
        expertEfficiency: Double = 0.4, launchOverhead: Nanoseconds = 3_000, attentionOverhead: Nanoseconds = 11_000,
        collectiveLatency: Nanoseconds = 4_500, collectiveEfficiency: Double = 0.3, bulkCollectiveLatency: Nanoseconds = 30_000,
        bulkCollectiveEfficiency: Double = 0.8, price: Double = 0, source: String
    ) {
        self.name = name
        self.flops16 = flops16
        self.flops8 = flops8
        self.memory = memory
        self.memoryBandwidth = memoryBandwidth
        self.scaleUpBandwidth = scaleUpBandwidth
        self.nicBandwidth = nicBandwidth
        self.idlePower = idlePower
        self.prefillPower = prefillPower
        self.decodePower = decodePower
        self.computeEfficiency = computeEfficiency
        self.memoryEfficiency = memoryEfficiency
        self.prefillAttentionEfficiency = prefillAttentionEfficiency
        self.decodeAttentionEfficiency = decodeAttentionEfficiency
        self.expertEfficiency = expertEfficiency
        self.launchOverhead = launchOverhead
        self.attentionOverhead = attentionOverhead
        self.collectiveLatency = collectiveLatency
        self.collectiveEfficiency = collectiveEfficiency
        self.bulkCollectiveLatency = bulkCollectiveLatency
        self.bulkCollectiveEfficiency = bulkCollectiveEfficiency
        self.price = price
        self.source = source
    }
}
