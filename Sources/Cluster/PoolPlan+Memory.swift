import Models

extension PoolPlan {
    /// How the memory of one worker is divided.
    public var memory: MemoryBudget {
        MemoryBudget(
            model: model, device: device, tensorParallel: tensorParallel, pipelineParallel: pipelineParallel,
            utilization: engine.memoryUtilization, cacheMemory: engine.kvMemory)
    }
}
