import Models
import Quantities

/// What one device holds of a model: consecutive layers, and one of equal shares of each.
public struct ModelPart: Sendable, Equatable {
    public var layers: Range<Int>
    public var share: Int
    public var shares: Int

    public init(layers: Range<Int>, share: Int, shares: Int) {
        self.layers = layers
        self.share = share
        self.shares = shares
    }

    /// The parts of a pipeline of stages over which the layers are spread evenly, each stage over as many devices as there are shares; by device, stage
    /// by stage.
    public static func pipeline(layers: Int, stages: Int, shares: Int) -> [ModelPart] {
        (0..<stages).flatMap { stage in
            let range = stage * layers / stages..<(stage + 1) * layers / stages
            return (0..<shares).map { ModelPart(layers: range, share: $0, shares: shares) }
        }
    }

    /// Bytes of this part, which has `bytes` in all, that another one holds too.
    public func overlap(with other: ModelPart, bytes: ByteCount) -> ByteCount {
        let common = layers.clamped(to: other.layers).count
        // Ends of shares in parts of 1 / (shares * other.shares).
        let from = max(share * other.shares, other.share * shares)
        let until = min((share + 1) * other.shares, (other.share + 1) * shares)
        guard common > 0, until > from else { return 0 }
        return ByteCount(Double(bytes) * Double(common) / Double(layers.count) * Double(until - from) / Double(other.shares))
    }
}

/// Which part of a model each device is to hold, when some of them hold parts already.
///
/// Source: the device mapper of SpotServe (ASPLOS 24), section 3.3: a bipartite graph of devices and places, weighted by the bytes that are there already,
/// and its maximum-weight matching (Kuhn and Munkres). Guarantee of `matched`: no other mapping moves fewer bytes. Cost O(n^3) for n devices.
public enum DeviceMapping: Int, Sendable, CaseIterable {
    case matched
    /// Places in the order in which devices have joined: those that hold something come first.
    case inOrder
    case atRandom

    /// Devices beyond which those that hold something stay where they are: bounds the matching.
    private static let mostDevices = 64

    /// The place of each device.
    /// - Parameters:
    ///   - held: by device; `nil` for a new one, which holds nothing.
    ///   - wanted: as many parts as there are devices.
    ///   - bytes: of each part; below 2^40.
    public func places(_ held: [ModelPart?], _ wanted: [ModelPart], bytes: ByteCount, random: inout RandomStream) -> [Int] {
        precondition(held.count == wanted.count, "\(held.count) devices for \(wanted.count) parts")
        var order = Array(wanted.indices)
        switch self {
        case .matched:
            guard held.count <= Self.mostDevices else { return order }
            let weights = held.map { part in wanted.map { place in part.map { place.overlap(with: $0, bytes: bytes) } ?? 0 } }
            return MaximumWeightMatching.solve(weights).enumerated().map { $1 ?? $0 }
        case .inOrder:
            let joined = held.indices.filter { held[$0] != nil } + held.indices.filter { held[$0] == nil }
            for (place, device) in joined.enumerated() { order[device] = place }
        case .atRandom:
            for place in order.indices.dropLast() { order.swapAt(place, place + random.below(order.count - place)) }
        }
        return order
    }
}
