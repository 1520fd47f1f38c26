import Quantities

/// The ping-pong of micro-batches between attention and experts (MegaScale-Infer, SIGCOMM 25, section 4): while one is with the experts, the next
/// is with attention.
///
/// A micro-batch takes `attention`, `dispatch`, `experts` and `combine` in every layer; both sides take micro-batches one after the other, and what is
/// under way holds up nobody. Iterations begin with nothing under way, as those of the emulated engines do.
public struct PipelineModel: Sendable, Equatable {
    /// Nanoseconds of a micro-batch and layer on an attention node (`T_a`), and the part of it that is computed while its tokens are under way.
    public var attention: Nanoseconds
    public var hidden: Nanoseconds
    /// On the slowest expert node (`T_e`).
    public var experts: Nanoseconds
    /// On the way there and back (`T_c` each, in the paper).
    public var dispatch: Nanoseconds
    public var combine: Nanoseconds
    /// For which the busiest port is taken in one direction: micro-batches cannot pass faster.
    public var port: Nanoseconds
    public var layers: Int
    public var microBatches: Int

    public init(
        attention: Nanoseconds, hidden: Nanoseconds = 0, experts: Nanoseconds, dispatch: Nanoseconds, combine: Nanoseconds, port: Nanoseconds = 0,
        layers: Int, microBatches: Int
    ) {
        self.attention = attention
        self.hidden = hidden
        self.experts = experts
        self.dispatch = dispatch
        self.combine = combine
        self.port = port
        self.layers = layers
        self.microBatches = microBatches
    }

    /// `T_f`: the time between two micro-batches at the slowest stage.
    public var bottleneck: Nanoseconds { max(attention, experts, port) }

    /// `T_a + T_e + 2 T_c`: one micro-batch once through a layer, when nothing is in its way.
    public var roundTrip: Nanoseconds { attention - hidden + max(hidden, dispatch + experts + combine) }

    /// From a micro-batch's start in one layer to its start in the next: `m T_f` when the pipeline is full, else the round trip.
    public var cycle: Nanoseconds { max(Nanoseconds(microBatches) * bottleneck, roundTrip) }

    /// From the first micro-batch's start to the last one's end: `(T_a + T_e + 2 T_c) + T_f (m L - 1)` when the pipeline is full.
    public var total: Nanoseconds {
        guard layers > 0 else { return 0 }
        return roundTrip + Nanoseconds(microBatches - 1) * bottleneck + Nanoseconds(layers - 1) * cycle
    }

    /// Bounds on the iteration of one micro-batch where the pipeline is full: `(T_a + T_e + 2 T_c) + m T_f (L - 1)` when it starts empty, and
    /// `m T_f L` when one iteration follows the other without a gap.
    public var iterationBounds: ClosedRange<Nanoseconds> {
        let least = roundTrip + Nanoseconds(max(0, layers - 1)) * cycle
        return least...max(least, Nanoseconds(layers) * cycle)
    }

    /// Micro-batches from which on the slowest stage never waits: `(T_a + T_e + 2 T_c) / T_f`, which is `2 (1 + T_c / T_f)` where both sides take
    /// equally long.
    public var saturation: Double { bottleneck > 0 ? Double(roundTrip) / Double(bottleneck) : 1 }

    /// Share of a cycle for which the slowest stage is busy.
    public var utilization: Double { cycle > 0 ? Double(Nanoseconds(microBatches) * bottleneck) / Double(cycle) : 0 }
}
