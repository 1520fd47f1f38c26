"""The experiment on kernels of the all-to-all (DeepEP): see scripts/experiment."""
import collections
import itertools
import math
import random
import statistics

EXPERTS, PICKS, LAYERS, TOKENS = 256, 8, 58, 4096
# Ranks of a host, and bytes of a token's hidden state there and back.
MATES, DISPATCH, COMBINE = 8, 7168 + 4 * 7168 // 128, 2 * 7168
# GB/s of dispatches with 4,096 tokens a rank, as DeepEP publishes them for its normal kernels: over NVLink within a host, else over the network.
PUBLISHED = {8: 153, 16: 43, 32: 58, 64: 51}
# Node-limited routing keeps four hosts.
KEPT = 4


def kernels():
    for ranks, kernel in itertools.product((8, 16, 32, 64), ("per-expert", "per-host")):
        yield {"ranks": ranks, "fabric": "deepep-h100-normal", "kernel": kernel}
    for kernel in ("per-expert", "per-host"):
        yield {"ranks": 32, "fabric": "links", "kernel": kernel}
    yield {"ranks": 32, "fabric": "deepep-h800", "kernel": "per-expert"}


def reached(ranks):
    """Hosts and ranks that a token reaches: the closed form, or drawn where groups are kept."""
    hosts = ranks // MATES

    def expected(parts):
        return parts * (1 - math.comb(EXPERTS - EXPERTS // parts, PICKS) / math.comb(EXPERTS, PICKS))

    if hosts <= KEPT:
        return expected(hosts), expected(ranks)
    chance = random.Random(1)
    found = [0, 0]
    size, best = EXPERTS // hosts, PICKS // KEPT
    tokens = 4000
    for _ in range(tokens):
        scores = [-math.log(chance.expovariate(1)) for _ in range(EXPERTS)]
        groups = sorted(range(hosts), key=lambda group: -sum(sorted(scores[group * size:(group + 1) * size])[-best:]))[:KEPT]
        left = [expert for group in groups for expert in range(group * size, (group + 1) * size)]
        picks = sorted(left, key=lambda expert: -scores[expert])[:PICKS]
        found[0] += len({pick // size for pick in picks})
        found[1] += len({pick // (EXPERTS // ranks) for pick in picks})
    return found[0] / tokens, found[1] / tokens


def kernels_row(point, options, run, records):
    ranks, hosts = point["ranks"], point["ranks"] // MATES
    settings = {"pools.rank.count": ranks, "workload.requests": 4 * ranks, "workload.arrivals.closed-loop.concurrency": 2 * ranks}
    settings |= {f"pools.rank.experts.{key}": point[key] for key in ("fabric", "kernel")}
    if ranks == 8:
        # One host of H800 cannot hold the model.
        settings["defaults.device"] = "h200"
    if hosts > KEPT:
        settings["pools.rank.experts.gate.selection"] = f"{{groups: {{count: {hosts}, kept: {KEPT}}}}}"
    summary, folder = run(options, "experiments/kernels", settings, record="layers")
    pieces = collections.defaultdict(lambda: {"attention": [], "experts": []})
    for row in records(folder, "layers"):
        pieces[row["iteration"], int(row["layer"]), row["node"]][row["part"]].append(row)
    full = {iteration for iteration in {key[0] for key in pieces}
            if sum(int(found["attention"][0]["tokens"]) for key, found in pieces.items() if key[:2] == (iteration, 0)) == ranks * TOKENS}
    there, back = [], []
    for (iteration, layer, node), found in pieces.items():
        if iteration not in full or layer == LAYERS:
            continue
        there.append(float(found["experts"][0]["start_s"]) - float(found["attention"][0]["end_s"]))
        after = pieces[iteration, layer + 1, node]["attention"]
        last = max(float(pieces[iteration, layer, f"rank-{rank}"]["experts"][0]["end_s"]) for rank in range(ranks))
        back.append(float(after[0]["start_s"]) - last)
    by_host, by_rank = reached(ranks)
    if point["kernel"] == "per-host":
        far, near = by_host * (hosts - 1) / hosts, by_rank * (MATES - 1) / MATES
    else:
        far, near = PICKS * (hosts - 1) / hosts, PICKS * (MATES - 1) / ranks
    states = summary["network"]["bytes_modelled"] / (4 * ranks * TOKENS * LAYERS * (DISPATCH + COMBINE))
    dispatch = statistics.mean(there)
    counted = (by_host if hosts > 1 else by_rank) if point["kernel"] == "per-host" else PICKS
    spans = collections.defaultdict(list)
    for (iteration, _, _), found in pieces.items():
        if iteration in full:
            spans[iteration] += [(float(row["start_s"]), float(row["end_s"])) for rows in found.values() for row in rows]
    return {
        "sent a token": states, "expected": far + near, "beyond the host": far, "MB beyond the host": far * TOKENS * DISPATCH / 1e6,
        "dispatch us": 1e6 * dispatch, "combine us": 1e6 * statistics.mean(back), "GB/s as DeepEP counts": counted * TOKENS * DISPATCH / dispatch / 1e9,
        "published GB/s": PUBLISHED[ranks] if point["kernel"] == "per-host" and point["fabric"] == "deepep-h100-normal" else "-",
        "iteration ms": 1e3 * statistics.mean(max(end for _, end in span) - min(start for start, _ in span) for span in spans.values()),
        "iterations": len(full),
    }


EXPERIMENTS = {"kernels": (kernels, kernels_row, None)}
