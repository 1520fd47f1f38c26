"""The experiments on spot instances (SpotServe, ASPLOS 24): see scripts/experiment."""
import csv
import itertools
import os
import random
import statistics
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Replicas, and instances of four devices that each is a pipeline of.
REPLICAS, STAGES = 5, 4
SLOTS = REPLICAS * STAGES
NOTICE = 30
MODELS = {
    # Rate, model, and how much better SpotServe's 99th percentile is than that of restarting and of rerouting, as published.
    "gpt-20b": (0.35, "{name: gpt-20b, layers: 44, hidden: 6144, query-heads: 64, kv-heads: 64, head-dimension: 96, feed-forward: 24576, "
                "feed-forward-matrices: 2, vocabulary: 50432, context-limit: 2048, source: 'GPT-NeoX-20B, arXiv 2204.06745, section 2.1'}"),
    "llama-30b": (0.2, "{name: llama-30b, layers: 60, hidden: 6656, query-heads: 52, kv-heads: 52, head-dimension: 128, feed-forward: 17920, "
                  "vocabulary: 32000, context-limit: 2048, source: 'LLaMA, arXiv 2302.13971, table 2'}"),
}
# The 20 minutes with most instances taken away in each trace: its file, and where they begin.
SEGMENTS = {"g4dn": ("bamboo_spot_g4dn.csv", 600), "p3": ("bamboo_spot_p3.csv", 2340)}
LENGTH = 1200
MAPPINGS = {"matched": "spotserve", "in order": "{policy: spotserve, matching: 1}", "at random": "{policy: spotserve, matching: 2}"}


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


class Slots:
    """Which host is there: an availability trace from what happens to instances. An instance takes a place in the replica that lacks fewest; those beyond what
    is needed wait, and take the place of the next one that is taken away."""

    def __init__(self, present, rearranges):
        """With `rearranges`, instances of replicas that are not whole make whole ones of others, as far as they go."""
        self.rearranges = rearranges
        self.rows = []
        self.slot_of = {}
        self.spare = []
        self.free = set(range(SLOTS))
        self.since = [0.0] * SLOTS
        for instance in present:
            self.add(instance, 0.0)
        for slot in sorted(self.free):
            self.rows.append((0.001, slot, "down"))

    def lacks(self, replica):
        return sum(slot // STAGES == replica for slot in self.free)

    def add(self, instance, time):
        if not self.free:
            return self.spare.append(instance)
        slot = min(self.free, key=lambda slot: (self.lacks(slot // STAGES), slot))
        self.free.remove(slot)
        self.slot_of[instance] = slot
        self.since[slot] = time
        if time > 0:
            self.rows.append((time, slot, "up"))
        self.rearrange(time)

    def remove(self, instance, time):
        if instance in self.spare:
            return self.spare.remove(instance)
        slot = self.slot_of.pop(instance, None)
        if slot is None:
            return
        time = max(time, self.since[slot] + 2)
        self.rows.append((max(time - NOTICE, self.since[slot] + 1), slot, "notice"))
        self.vacate(slot, time)
        if self.spare:
            self.add(self.spare.pop(0), time + 1)
        self.rearrange(time + 1)

    def vacate(self, slot, time):
        self.rows.append((time, slot, "down"))
        self.free.add(slot)

    def rearrange(self, time):
        """Has the instances of broken replicas fill the holes of others, which become whole."""
        if not self.rearranges or not time:
            return
        while True:
            broken = sorted((replica for replica in range(REPLICAS) if 0 < self.lacks(replica)), key=lambda replica: (self.lacks(replica), replica))
            donors = [instance for replica in reversed(broken[1:]) for instance, slot in sorted(self.slot_of.items(), key=lambda item: item[1])
                      if slot // STAGES == replica]
            if not broken or len(donors) < self.lacks(broken[0]):
                return
            for instance in donors[:self.lacks(broken[0])]:
                slot = self.slot_of.pop(instance)
                hole = min(slot for slot in self.free if slot // STAGES == broken[0])
                self.vacate(slot, max(time, self.since[slot] + 1))
                self.free.remove(hole)
                self.slot_of[instance] = hole
                self.since[hole] = time + 1
                self.rows.append((time + 1, hole, "up"))

    def restart(self, time):
        """Every instance that has been there ends and begins anew."""
        for slot in sorted(self.slot_of.values()):
            if self.since[slot] < time:
                self.rows += [(time, slot, "down"), (time + 1, slot, "up")]
                self.since[slot] = time + 1

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("time_s,node,event\n")
            for time, slot, event in sorted(self.rows, key=lambda row: (row[0], row[2] != "up")):
                file.write(f"{time:.3f},host-{slot},{event}\n")


def data(name):
    """A recorded trace: in the folder `shared/data/faults` beside the repository or above it."""
    folder = ROOT
    while True:
        path = os.path.join(folder, "shared", "data", "faults", name)
        if os.path.exists(path):
            return path
        if folder == os.path.dirname(folder):
            raise SystemExit(f"experiment: no {name} in shared/data/faults: it is in Bamboo's repository (uclasystem/bamboo)")
        folder = os.path.dirname(folder)


def recorded(segment, rearranges, restarts):
    """A segment of a recorded trace; with `restarts`, all instances begin anew with every change."""
    name, start = SEGMENTS[segment]
    path = data(name)
    with open(path, newline="", encoding="utf-8") as file:
        events = [(int(time) / 1000 - start, event, instance) for time, event, instance in csv.reader(file)]
    present = {}
    for time, event, instance in events:
        if time <= 0:
            if event == "add":
                present[instance] = True
            else:
                present.pop(instance, None)
    slots = Slots(list(present), rearranges)
    for time, changes in itertools.groupby((change for change in events if 0 < change[0] < LENGTH), key=lambda change: change[0]):
        before = set(slots.slot_of)
        for _, event, instance in changes:
            (slots.add if event == "add" else slots.remove)(instance, time)
        if restarts and set(slots.slot_of) != before:
            slots.restart(time)
    return slots


def drawn(seed):
    """Instances that are taken away at random, ten minutes apart on average each, and replaced one to three minutes later."""
    choice = random.Random(seed)
    slots = Slots([f"{number}" for number in range(SLOTS)], False)
    changes = [(choice.expovariate(1 / 600), "remove", f"{number}") for number in range(SLOTS)]
    names = itertools.count(SLOTS)
    while changes:
        changes.sort()
        time, event, instance = changes.pop(0)
        if time >= LENGTH:
            break
        if event == "remove":
            slots.remove(instance, time)
            changes.append((time + choice.uniform(60, 180), "add", f"{next(names)}"))
        else:
            slots.add(instance, time)
            changes.append((time + 5 + choice.expovariate(1 / 600), "remove", instance))
    return slots


def spot_run(point, options, run, slots, policy):
    rate, model = MODELS[point["model"]]
    folder = tempfile.mkdtemp(dir=options.folder)
    slots.write(os.path.join(folder, "availability.csv"))
    with open(os.path.join(folder, "faults.yaml"), "w", encoding="utf-8") as file:
        file.write("trace: availability.csv\nrecovery:\n  patience: 20min\n  retries: 20\n  start-up: {base: 20s, tier: remote}\n"
                   f"  preemption: {policy}\n")
    settings = {
        "model": model, "workload.arrivals.gamma.rate": f"{rate}/s", "workload.duration": f"{LENGTH}s", "pools.spot.count": REPLICAS,
        "pools.spot.pipeline-parallel": STAGES,
        # A rack holds two replicas.
        "hosts.hosts-per-rack": 2 * STAGES,
    }
    return run(options, "experiments/spot", settings, ["--faults", os.path.join(folder, "faults.yaml"), "--seed", str(point["seed"])], record="messages")


def caches(folder):
    """Bytes of caches that were moved, and of those that crossed racks, which hold two replicas each; the first two nodes are client and controller."""
    moved = crossed = 0
    with open(os.path.join(folder, "messages.csv"), newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["channel"] == "move":
                moved += int(row["bytes"])
                crossed += int(row["bytes"]) * ((int(row["to"]) - 2) // 2 != (int(row["from"]) - 2) // 2)
    return moved, crossed


# MARK: Which device holds what


def spot_mapping():
    for seed in range(1, 11):
        for model in MODELS:
            yield {"model": model, "seed": seed}


def spot_mapping_row(point, options, run):
    figures = {}
    for name, policy in MAPPINGS.items():
        summary, folder = spot_run(point, options, run, drawn(point["seed"]), policy)
        moved, crossed = caches(folder)
        figures[name] = (
            sum(fault["weights_moved_bytes"] for fault in summary["faults"]) / 1e9,
            sum(fault["weights_loaded_bytes"] for fault in summary["faults"]) / 1e9, moved / 1e9, crossed / 1e9)
    rows = {"preemptions": len(summary["faults"])}
    for place, what in enumerate(("weights moved GB", "weights from storage GB", "caches moved GB", "caches between racks GB")):
        rows |= {f"{what}, {name}": float(figures[name][place]) for name in MAPPINGS}
    return [point | rows]


def spot_mapping_end(rows):
    """The mean over seeds of each model, in rows of their own."""
    for model in MODELS:
        of = [row for row in rows if row["model"] == model]
        if len(of) > 1:
            rows.append({"model": model, "seed": "mean"} | {key: float(statistics.mean(row[key] for row in of)) for key in of[0] if key not in ("model", "seed")})
    return rows


# MARK: Latencies on recorded traces

# The policy; whether replicas that are broken are re-arranged, as rerouting does not do; and whether all begin anew with every change, as SpotServe's baseline does.
POLICIES = {
    "restart and reload, all": ("none", True, True), "restart and reload, the broken": ("none", True, False), "rerouting": ("drain", False, False),
    "drain, re-arranged": ("drain", True, False), "spotserve": ("spotserve", True, False),
}
SEEDS = range(1, 6)


def spot():
    for model, segment, policy in itertools.product(MODELS, SEGMENTS, POLICIES):
        yield {"model": model, "trace": segment, "policy": policy}


def spot_row(point, options, run, records):
    figures = []
    for seed in SEEDS:
        policy, *arrangement = POLICIES[point["policy"]]
        summary, folder = spot_run(point | {"seed": seed}, options, run, recorded(point["trace"], *arrangement), policy)
        latencies = [float(row["finish_s"]) - float(row["arrival_s"]) for row in records(folder, "requests") if row["status"] == "done"]
        restarts = records(folder, "restarts") if os.path.exists(os.path.join(folder, "restarts.csv")) else []
        moved, _ = caches(folder)
        figures.append({
            "mean s": statistics.mean(latencies), "p50 s": percentile(latencies, 0.5), "p99 s": percentile(latencies, 0.99),
            "begun again": len(restarts), "tokens recomputed": sum(fault["tokens_recomputed"] for fault in summary["faults"]),
            "caches moved GB": moved / 1e9, "weights moved GB": sum(fault["weights_moved_bytes"] for fault in summary["faults"]) / 1e9,
            "weights from storage GB": sum(fault["weights_loaded_bytes"] for fault in summary["faults"]) / 1e9,
            "not done": summary["requests"]["offered"] - len(latencies)})
    p99 = [figure["p99 s"] for figure in figures]
    means = {key: float(statistics.mean(figure[key] for figure in figures)) for key in figures[0]}
    return [point | means | {"p99 least": min(p99), "p99 most": max(p99)}]


PUBLISHED = {("llama-30b", "restart and reload, all"): "1.34-2.43", ("llama-30b", "rerouting"): "2.14-9.13"}


def spot_end(rows):
    """How many times better SpotServe's 99th percentile is."""
    best = {(row["model"], row["trace"]): row["p99 s"] for row in rows if row["policy"] == "spotserve"}
    for row in rows:
        row["p99 over spotserve's"] = float(row["p99 s"] / best[row["model"], row["trace"]]) if (row["model"], row["trace"]) in best else "-"
        row["published"] = PUBLISHED.get((row["model"], row["policy"]), "-")
    return rows


EXPERIMENTS = {"spot": (spot, spot_row, spot_end), "spot-mapping": (spot_mapping, spot_mapping_row, spot_mapping_end)}
