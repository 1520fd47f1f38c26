/// Text that events refer to by number: each kind has numbers of its own, from 1.
enum InternedName: UInt64, CaseIterable {
    case prefill = 1
    case decode, mixed, transfer, attention, experts
    case killed, startUp, hung, slow, notice, link, partition, detected, back

    var text: String {
        switch self {
        case .prefill: "prefill"
        case .decode: "decode"
        case .mixed: "mixed"
        case .transfer: "kv transfer"
        case .attention: "attention"
        case .experts: "experts"
        case .killed: "killed"
        case .startUp: "start-up"
        case .hung: "hung"
        case .slow: "slow"
        case .notice: "preempt notice"
        case .link: "link worse"
        case .partition: "partition"
        case .detected: "detected"
        case .back: "back"
        }
    }
}

/// What part of a node an event belongs to.
enum InternedCategory: UInt64, CaseIterable {
    case engine = 1
    case network, faults

    var text: String {
        switch self {
        case .engine: "engine"
        case .network: "network"
        case .faults: "faults"
        }
    }
}

/// A figure that an event carries.
enum InternedAnnotation: UInt64, CaseIterable {
    case prefillTokens = 1
    case decodeRequests, request, bytes, layer, tokens, routedTokens, idle, slowdown

    var text: String {
        switch self {
        case .prefillTokens: "prefill_tokens"
        case .decodeRequests: "decode_requests"
        case .request: "request"
        case .bytes: "bytes"
        case .layer: "layer"
        case .tokens: "tokens"
        case .routedTokens: "routed_tokens"
        case .idle: "idle_ns"
        case .slowdown: "slowdown_thousandths"
        }
    }
}
