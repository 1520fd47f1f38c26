import Quantities

/// The accelerators that a topology can name.
///
/// Peaks are dense. Link figures are for one device and one direction. The memory of parts with HBM is what the driver reports (GiB),
/// that of the others what is left after error correction. Power while prefilling is the board's limit; while decoding it is measured for
/// A100 and H100 (Splitwise simulator) and elsewhere 0.55 of the limit, the share that H100 has. `[from memory]` marks unchecked figures.
///
/// Efficiencies are those fitted to H100 kernels (the defaults of `DeviceShape`) where nothing else was measured: on A100 the bulk all-reduce is
/// fitted and the shares of peak are set between H100's and those of Splitwise's prompts; all-reduce over PCIe is a guess. Prices are those of
/// MegaScale-Infer, table 3, where it has one (L20 = 1).
public enum DeviceCatalog {
    /// All devices, in the order in which they are listed.
    public static let all: [DeviceShape] = ampere + hopper + others

    /// The names of all devices, in the same order.
    public static var names: [String] { all.map(\.name) }

    /// Other names for devices of the catalogue.
    public static let aliases: [(alias: String, name: String)] = [
        ("a100", "a100-80g"), ("a100-sxm", "a100-80g"), ("h100", "h100-sxm"), ("h200", "h200-sxm"), ("b200-sxm", "b200"),
        ("910c", "ascend-910c"),
    ]

    /// The device with this name or alias, or `nil`.
    public static func named(_ name: String) -> DeviceShape? {
        let canonical = aliases.first { $0.alias == name }?.name ?? name
        return all.first { $0.name == canonical }
    }

    private static let gibibyte: ByteCount = 1 << 30

    private static let ampere: [DeviceShape] = [
        DeviceShape(
            name: "a100-80g", flops16: 312e12, flops8: 0, memory: 80 * gibibyte, memoryBandwidth: 2_039_000_000_000,
            scaleUpBandwidth: 300_000_000_000, nicBandwidth: 25_000_000_000, idlePower: 63, prefillPower: 400, decodePower: 250,
            computeEfficiency: 0.7, memoryEfficiency: 0.8, bulkCollectiveLatency: 50_000, bulkCollectiveEfficiency: 0.6,
            source: "aiconfigurator; power: Splitwise simulator; one-byte weights are computed in two bytes (no FP8)"),
        DeviceShape(
            name: "a10", flops16: 125e12, flops8: 0, memory: 24_000_000_000, memoryBandwidth: 600_000_000_000,
            scaleUpBandwidth: 32_000_000_000, nicBandwidth: 12_500_000_000, idlePower: 20, prefillPower: 150, decodePower: 82,
            collectiveLatency: 15_000, bulkCollectiveLatency: 40_000, bulkCollectiveEfficiency: 0.6,
            source: "NVIDIA data sheet [from memory]; links: PCIe 4 x16 and 100 Gb/s [from memory]"),
    ]

    private static let hopper: [DeviceShape] = [
        DeviceShape(
            name: "h100-sxm", flops16: 989e12, flops8: 1978e12, memory: 80 * gibibyte, memoryBandwidth: 3_350_000_000_000,
            scaleUpBandwidth: 450_000_000_000, nicBandwidth: 50_000_000_000, idlePower: 75, prefillPower: 700, decodePower: 380,
            source: "aiconfigurator; power: Splitwise simulator"),
        DeviceShape(
            name: "h800", flops16: 989e12, flops8: 1978e12, memory: 80 * gibibyte, memoryBandwidth: 3_350_000_000_000,
            scaleUpBandwidth: 200_000_000_000, nicBandwidth: 50_000_000_000, idlePower: 75, prefillPower: 700, decodePower: 380,
            price: 5.28, source: "aiconfigurator (h100-sxm with half of the NVLink bandwidth); power as h100-sxm [from memory]"),
        DeviceShape(
            name: "h200-sxm", flops16: 989e12, flops8: 1978e12, memory: 141 * gibibyte, memoryBandwidth: 4_800_000_000_000,
            scaleUpBandwidth: 450_000_000_000, nicBandwidth: 50_000_000_000, idlePower: 75, prefillPower: 700, decodePower: 380,
            source: "aiconfigurator; power as h100-sxm [from memory]"),
        DeviceShape(
            name: "h20", flops16: 148e12, flops8: 296e12, memory: 96 * gibibyte, memoryBandwidth: 4_000_000_000_000,
            scaleUpBandwidth: 450_000_000_000, nicBandwidth: 50_000_000_000, idlePower: 70, prefillPower: 500, decodePower: 275,
            price: 1.85, source: "MegaScale-Infer, table 3, and aiconfigurator; FP8 and idle power [from memory]"),
    ]

    private static let others: [DeviceShape] = [
        DeviceShape(
            name: "b200", flops16: 2250e12, flops8: 4500e12, memory: 180 * gibibyte, memoryBandwidth: 7_700_000_000_000,
            scaleUpBandwidth: 900_000_000_000, nicBandwidth: 100_000_000_000, idlePower: 140, prefillPower: 1000, decodePower: 550,
            source: "aiconfigurator; idle power [from memory]"),
        DeviceShape(
            name: "l40s", flops16: 362e12, flops8: 733e12, memory: 48_305_799_168, memoryBandwidth: 864_000_000_000,
            scaleUpBandwidth: 32_000_000_000, nicBandwidth: 50_000_000_000, idlePower: 35, prefillPower: 350, decodePower: 192,
            collectiveLatency: 15_000, bulkCollectiveLatency: 40_000, bulkCollectiveEfficiency: 0.6,
            price: 1.08, source: "aiconfigurator and MegaScale-Infer, table 3; links: PCIe 4 x16; idle power [from memory]"),
        DeviceShape(
            name: "ascend-910c", flops16: 752e12, flops8: 1504e12, memory: 128 * gibibyte, memoryBandwidth: 3_200_000_000_000,
            scaleUpBandwidth: 392_000_000_000, nicBandwidth: 50_000_000_000, idlePower: 100, prefillPower: 700, decodePower: 385,
            source: "notes on CloudMatrix384 (two dies); one-byte peak is INT8, derived; power is a guess"),
        DeviceShape(
            name: "t4", flops16: 65e12, flops8: 0, memory: 16_000_000_000, memoryBandwidth: 320_000_000_000,
            scaleUpBandwidth: 16_000_000_000, nicBandwidth: 1_562_500_000, idlePower: 10, prefillPower: 70, decodePower: 38,
            collectiveLatency: 15_000, bulkCollectiveLatency: 40_000, bulkCollectiveEfficiency: 0.6,
            source: "NVIDIA data sheet [from memory]; links: PCIe 3 x16 and 50 Gb/s for four devices [from memory]"),
    ]
}
