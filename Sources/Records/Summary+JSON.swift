import Quantities

extension Summary {
    /// The contents of `summary.json`: every key of the format is there, `null` where the run has nothing to say.
    public var json: JSONValue {
        [
            "name": .string(name),
            "clock": .string(clock),
            "seed": .unsigned(seed),
            "nodes": .integer(Int64(nodes)),
            "duration_s": .number(duration),
            "wall_s": .number(wall),
            "incomplete": .bool(incomplete),
            "requests": requests.json,
            "ttft_s": .distribution(ttft),
            "tbt_s": .distribution(tbt),
            "e2e_s": .distribution(e2e),
            "throughput": [
                "requests_per_s": .number(throughput.requestsPerSecond),
                "output_tokens_per_s": .number(throughput.outputTokensPerSecond),
                "total_tokens_per_s": .number(throughput.totalTokensPerSecond),
            ],
            "goodput": [
                "slo": goodput.map { .string($0.objective) } ?? .null,
                "requests_per_s": .number(orNull: goodput?.requestsPerSecond),
                "attainment": .number(orNull: goodput?.attainment),
            ],
            "workers": .object(workers.map { JSONValue.Member($0.name, $0.json) }),
            "network": [
                "messages": .integer(network.messages),
                "bytes_modelled": .integer(network.bytesModelled),
                "kv_transfer_s": .distribution(network.kvTransfer),
            ],
            "barrier": barrier?.json ?? ["count": .integer(0), "idle_fraction": .null, "wait_s": .distribution(nil)],
            "experts": experts?.json ?? ["imbalance": .imbalance(nil)],
            "migrations": migrations.json,
            "energy": [
                "joules": .number(energy),
                "joules_per_output_token": .number(orNull: energyPerOutputToken),
            ],
            "faults": .array(faults.map(\.json)),
            "recovery": (recovery ?? Recovery()).json,
            "slip_s": [
                "p50": .number(slip.p50),
                "p99": .number(slip.p99),
                "max": .number(slip.max),
                "p99_share_of_median_iteration": .number(orNull: slip.shareOfMedianIteration),
                "clock_uncertainty": .number(orNull: slip.clockUncertainty),
            ],
            "decisions": .object(decisions.map { JSONValue.Member($0.kind.name, $0.json) }),
            "external": .object(external.map { JSONValue.Member($0.kind.name, $0.json) }),
            "median_iteration_s": .number(orNull: medianIteration),
            "digest": .string(digest),
        ]
    }
}

extension Summary.Requests {
    fileprivate var json: JSONValue {
        [
            "offered": .integer(Int64(offered)),
            "done": .integer(Int64(done)),
            "rejected": .integer(Int64(rejected)),
            "failed": .integer(Int64(failed)),
            "duplicated": .integer(Int64(duplicated)),
        ]
    }
}

extension Summary.Migrations {
    fileprivate var json: JSONValue {
        [
            "count": .integer(count), "aborted": .integer(aborted), "bytes": .integer(bytes), "copied_bytes": .integer(copiedBytes),
            "downtime_s": .distribution(downtime),
        ]
    }
}

extension Summary.Fault {
    fileprivate var json: JSONValue {
        [
            "time_s": .number(time),
            "kind": .string(kind),
            "targets": .array(targets.map { .string($0) }),
            "detected_after_s": .number(orNull: detectedAfter),
            "requests_hit": .integer(requestsHit),
            "tokens_recomputed": .integer(tokensRecomputed),
            "bytes_moved": .integer(bytesMoved),
            "weights_moved_bytes": .integer(weightsMoved),
            "weights_loaded_bytes": .integer(weightsLoaded),
            "recovery_time_s": .number(orNull: recoveryTime),
        ]
    }
}

extension Summary.Recovery {
    fileprivate var json: JSONValue {
        [
            "restarts": .integer(restarts),
            "recomputed_tokens": .integer(recomputedTokens),
            "stale_tokens": .integer(staleTokens),
            "fenced_messages": .integer(fencedMessages),
            "lost_messages": .integer(lostMessages),
        ]
    }
}

extension Summary.Decisions {
    fileprivate var json: JSONValue {
        ["policy": .string(policy), "count": .integer(Int64(count)), "p50_s": .number(orNull: p50), "p99_s": .number(orNull: p99)]
    }
}

extension Summary.External {
    fileprivate var json: JSONValue {
        [
            "fallback_policy": .string(fallbackPolicy),
            "programs": .integer(programs),
            "asked": .integer(asked),
            "answered": .integer(answered),
            "late": .integer(late),
            "wrong": .integer(wrong),
            "gone": .integer(gone),
            "fallback": .integer(fallback),
            "fell_back": .bool(fellBack),
            "fell_back_at_s": .number(orNull: since),
            "answer_s": .distribution(answers),
        ]
    }
}

extension Summary.Worker {
    fileprivate var json: JSONValue {
        [
            "role": .string(role),
            "busy_fraction": .number(busyFraction),
            "barrier_idle_fraction": .number(barrierIdleFraction),
            "kv_peak_fraction": .number(kvPeakFraction),
            "preemptions": .integer(preemptions),
            "iterations": .integer(iterations),
            "energy_joules": .number(energy),
        ]
    }
}

extension Summary.Barrier {
    fileprivate var json: JSONValue {
        [
            "count": .integer(count),
            "idle_fraction": .number(orNull: idleFraction),
            "attention_straggler_fraction": .number(orNull: attentionStragglerFraction),
            "expert_straggler_fraction": .number(orNull: expertStragglerFraction),
            "network_fraction": .number(orNull: networkFraction),
            "compute_fraction": .number(orNull: computeFraction),
            "wait_s": .distribution(wait),
            "last": .object(last.map { JSONValue.Member($0.name, .integer($0.times)) }),
        ]
    }
}

extension Summary.Experts {
    fileprivate var json: JSONValue {
        [
            "imbalance": .imbalance(imbalance),
            "routed_tokens": .integer(routedTokens),
            "dropped_tokens": .integer(droppedTokens),
            "replans": .integer(replans),
            "fetched_bytes": .integer(fetchedBytes),
        ]
    }
}

extension JSONValue {
    /// Mean and tail of a ratio of loads.
    fileprivate static func imbalance(_ distribution: Distribution?) -> JSONValue {
        ["mean": .number(orNull: distribution?.mean), "p99": .number(orNull: distribution?.p99)]
    }

    /// Mean, percentiles and maximum; each `null` where nothing was measured, so that a reader finds the same keys in every run.
    static func distribution(_ distribution: Distribution?) -> JSONValue {
        [
            "mean": .number(orNull: distribution?.mean),
            "p50": .number(orNull: distribution?.p50),
            "p90": .number(orNull: distribution?.p90),
            "p99": .number(orNull: distribution?.p99),
            "max": .number(orNull: distribution?.max),
        ]
    }

    /// Every number in the value under its dotted path, such as `ttft_s.p99`, in the order of the text.
    ///
    /// `null` has no value but a path, so that a missing figure can be told from a wrong name. True and false count as 1 and 0,
    /// elements of an array are numbered from 0, text is left out.
    public var numbersByPath: [(path: String, value: Double?)] {
        var found: [(path: String, value: Double?)] = []
        collectNumbers(at: "", into: &found)
        return found
    }

    private func collectNumbers(at path: String, into found: inout [(path: String, value: Double?)]) {
        func below(_ name: String) -> String { path.isEmpty ? name : path + "." + name }
        switch self {
        case .null: found.append((path, nil))
        case .bool(let flag): found.append((path, flag ? 1 : 0))
        case .integer(let number): found.append((path, Double(number)))
        case .unsigned(let number): found.append((path, Double(number)))
        case .number(let number): found.append((path, number.isFinite ? number : nil))
        case .string: break
        case .array(let elements):
            for (index, element) in elements.enumerated() { element.collectNumbers(at: below(String(index)), into: &found) }
        case .object(let members):
            for member in members { member.value.collectNumbers(at: below(member.key), into: &found) }
        }
    }
}
