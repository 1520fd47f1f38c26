import Models
import Quantities

/// The keys of a device.
enum DeviceGrammar {
    /// A device by name, or described.
    static var codec: Codec<DeviceShape> {
        .catalogued("device", DeviceCatalog.names, aliases: DeviceCatalog.aliases, blank: blank, find: DeviceCatalog.named, keys: keys)
    }

    private static let blank = DeviceShape(
        name: "", flops16: 0, flops8: 0, memory: 0, memoryBandwidth: 0, scaleUpBandwidth: 0, nicBandwidth: 0, idlePower: 0, prefillPower: 0,
        decodePower: 0, source: "the topology file")

    private static var keys: [Key<DeviceShape>] {
        let share = Codec<Double>.number(0...1, isOpen: true)
        let power = Codec<Double>.number(0...100_000)
        let link = Codec<Int64>.quantity(.memoryBandwidth, Limits.bandwidth)
        let overhead = Codec<Int64>.quantity(.duration, 0...10_000_000_000)
        return [
            Key("name", \.name, ShapeText.name, isRequired: true, "Its name, for the record."),
            Key("flops-16bit", \.flops16, .compute(), isRequired: true, "Dense peak with two-byte elements."),
            Key("flops-8bit", \.flops8, .compute(allowsZero: true), "Dense peak with one-byte elements; 0FLOP/s when the device has none."),
            Key("memory", \.memory, .quantity(.bytes, Limits.memory), isRequired: true, "Memory."),
            Key("memory-bandwidth", \.memoryBandwidth, link, isRequired: true, "Memory bandwidth."),
            Key("scale-up-bandwidth", \.scaleUpBandwidth, link, isRequired: true, "Link to the other devices of the host, one direction."),
            Key("nic-bandwidth", \.nicBandwidth, link, isRequired: true, "Network card, for each device, one direction."),
            Key("idle-power", \.idlePower, power, "Watts while idle."),
            Key("prefill-power", \.prefillPower, power, "Watts while prefilling."),
            Key("decode-power", \.decodePower, power, "Watts while decoding."),
            Key("compute-efficiency", \.computeEfficiency, share, "Share of the peak that large matrix products reach."),
            Key("memory-efficiency", \.memoryEfficiency, share, "Share of the memory bandwidth that kernels reach."),
            Key(
                "prefill-attention-efficiency", \.prefillAttentionEfficiency, share, "Share of the peak that attention over a prompt reaches."),
            Key(
                "decode-attention-efficiency", \.decodeAttentionEfficiency, share,
                "Share of the memory bandwidth that attention reaches when it decodes."),
            Key("expert-efficiency", \.expertEfficiency, share, "Share of the peak that products with the experts of a mixture reach."),
            Key("launch-overhead", \.launchOverhead, overhead, "Fixed cost of a kernel."),
            Key("attention-overhead", \.attentionOverhead, overhead, "Fixed cost of one attention layer."),
            Key("collective-latency", \.collectiveLatency, overhead, "Fixed cost of an all-reduce of small messages."),
            Key("collective-efficiency", \.collectiveEfficiency, share, "Share of scale-up-bandwidth that it reaches."),
            Key("bulk-collective-latency", \.bulkCollectiveLatency, overhead, "Fixed cost of an all-reduce of large messages."),
            Key("bulk-collective-efficiency", \.bulkCollectiveEfficiency, share, "Share of scale-up-bandwidth that it reaches."),
            Key("price", \.price, .number(0...1_000_000), "What a device costs, in any unit; 0 where nobody has said."),
            Key("source", \.source, ShapeText.source, "Where the numbers come from."),
        ]
    }
}
