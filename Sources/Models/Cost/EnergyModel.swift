import Quantities

/// Energy of a worker by phase.
///
/// A device draws `prefillPower` while a batch with prompt tokens runs, `decodePower` while only decoding ones run, and `idlePower` else:
/// `E = devices (P_prefill t_prefill + P_decode t_decode + P_idle (t - t_prefill - t_decode))`. Power while prefilling is taken at its
/// limit whatever the batch; measured prompts of few tokens stay below it. Power while decoding hardly depends on the batch (Splitwise,
/// ISCA 24, section 3.5). The catalogue's constants for A100 and H100 are those of the Splitwise simulator: 400/250/63 W and 700/380/75 W.
/// Hosts (fans, processors; 1,500 to 2,800 W idle for eight devices) and cooling are not counted.
public struct EnergyModel: Sendable, Equatable {
    private let prefillPower: Double
    private let decodePower: Double
    private let idlePower: Double

    /// The model of a worker with `devices` devices.
    public init(device: DeviceShape, devices: Int) {
        prefillPower = device.prefillPower * Double(devices)
        decodePower = device.decodePower * Double(devices)
        idlePower = device.idlePower * Double(devices)
    }

    /// Energy in joules over `total` nanoseconds, of which `prefill` and `decode` were spent on batches of each kind.
    public func joules(prefill: Nanoseconds, decode: Nanoseconds, total: Nanoseconds) -> Double {
        let idle = max(0, total - prefill - decode)
        return prefillPower * seconds(prefill) + decodePower * seconds(decode) + idlePower * seconds(idle)
    }
}
