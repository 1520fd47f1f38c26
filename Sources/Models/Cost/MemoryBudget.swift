import Quantities

/// How the memory of one worker's devices is divided between weights, reserve and cache.
///
/// Every device of a worker is taken to be as full as the fullest one: with pipeline stages that is the stage with most layers. Weights
/// are split evenly over a tensor-parallel group; what such a group replicates (norms, router, low-rank projections) is below 2% of any
/// model in the catalogue and not counted twice. A cache head that cannot be split is held by several devices, and is counted so.
public struct MemoryBudget: Sendable, Equatable {
    /// Kept free on each device for activations, graphs and the runtime: 3.5 GB (aiconfigurator).
    public static let runtimeReserve: ByteCount = 3_500_000_000
    /// Kept free besides on each of several devices, for the buffers of collectives: 0.4 GB (aiconfigurator).
    public static let collectiveReserve: ByteCount = 400_000_000

    /// Devices of the worker.
    public let devices: Int
    /// Weights on a device, in bytes.
    public let weightsPerDevice: ByteCount
    /// What is kept free on a device, in bytes.
    public let reservePerDevice: ByteCount
    /// What the engine may use of a device, in bytes: `utilization` of its memory, or all of it when the cache's size is given.
    public let limitPerDevice: ByteCount
    /// Cache on a device, in bytes; 0 when the model does not fit.
    public let cachePerDevice: ByteCount

    /// What a device must hold besides a cache that takes the rest: weights, reserve and a cache of given size, in bytes.
    public let neededPerDevice: ByteCount

    /// Bytes of cache of the worker, on all its devices; 0 when the model does not fit.
    private let cacheMemory: Double
    /// Bytes that one token's cache takes from the worker, counting replicas and the room that uneven stages cannot use.
    private let claimPerToken: Double

    /// Divides the memory.
    /// - Parameters:
    ///   - tensorParallel: devices that share each layer, at least 1.
    ///   - pipelineParallel: stages that the layers are split over, at least 1.
    ///   - utilization: share of each device's memory that the engine may use, above 0 and at most 1.
    ///   - cacheMemory: cache of the whole worker in bytes; `nil`: what weights and reserve leave of `utilization`.
    ///   - weights: bytes of weights that the worker holds where that is not the whole model (one stage only then).
    public init(
        model: ModelShape, device: DeviceShape, tensorParallel: Int = 1, pipelineParallel: Int = 1, utilization: Double = 0.9,
        cacheMemory: ByteCount? = nil, weights heldWeights: ByteCount? = nil
    ) {
        let devices = max(1, tensorParallel) * max(1, pipelineParallel)
        let held = heldWeights.map { Double($0) } ?? model.stageWeightBytes(pipelineParallel: pipelineParallel)
        let weights = held / Double(max(1, tensorParallel))
        let reserve = Self.runtimeReserve + (devices > 1 ? Self.collectiveReserve : 0)
        let limit = Double(device.memory) * (cacheMemory == nil ? utilization : 1)
        let needed = weights + Double(reserve) + Double(cacheMemory ?? 0) / Double(devices)
        let isEnough = needed <= limit
        self.devices = devices
        weightsPerDevice = Self.byteCount(weights)
        reservePerDevice = reserve
        limitPerDevice = Self.byteCount(limit)
        neededPerDevice = Self.byteCount(needed)
        self.cacheMemory = isEnough ? cacheMemory.map { Double($0) } ?? (limit - needed) * Double(devices) : 0
        cachePerDevice = Self.byteCount(self.cacheMemory / Double(devices))
        let stages = model.stageShare(pipelineParallel: pipelineParallel) * Double(max(1, pipelineParallel))
        let replicas = model.cacheElements(tensorParallel: tensorParallel) * Double(max(1, tensorParallel)) / max(1, model.cacheElements)
        claimPerToken = Double(model.cacheBytesPerToken) * stages * replicas
    }

    /// Whether the model fits and leaves room for a cache.
    public var fits: Bool { cacheMemory > 0 }

    /// What a device lacks, in bytes; 0 when the model fits.
    public var shortfallPerDevice: ByteCount { max(0, neededPerDevice - limitPerDevice) }

    /// Bytes that a token's cache takes from the whole worker, with what several devices hold alike and what uneven stages waste.
    public var cacheBytesPerToken: ByteCount { Self.byteCount(claimPerToken.rounded(.up)) }

    /// Bytes of cache of the whole worker.
    public var cachePerWorker: ByteCount { Self.byteCount(cacheMemory) }

    /// Cache blocks of `blockSize` tokens that the worker has; 0 when the model does not fit.
    ///
    /// A block holds its tokens in every layer, also in those with a sliding window: engines with one pool of blocks do so, and those
    /// with a pool for each kind of layer hold up to twice as much of a model such as gpt-oss.
    public func cacheBlocks(of blockSize: Int) -> Int64 {
        let claim = claimPerToken * Double(blockSize)
        guard claim > 0 else { return 0 }
        return Self.byteCount(cacheMemory / claim)
    }

    private static func byteCount(_ value: Double) -> Int64 { value < 0x1p62 ? Int64(max(0, value)) : 1 << 62 }
}
