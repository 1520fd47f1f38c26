"""Experiments of scripts/experiment on policies: published figures beside measured ones."""
import bisect
import csv
import datetime
import itertools
import json
import math
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def data(*names):
    """The first of these recorded traces that is there: in the folder `shared/data/traces` beside the repository or above it."""
    folder = ROOT
    while True:
        for name in names:
            path = os.path.join(folder, "shared", "data", "traces", name)
            if os.path.exists(path):
                return path
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)


def topology(name):
    return os.path.join(ROOT, "Topologies", name + ".yaml")


def audit(options, policy, *more):
    """What `testbed audit` says; its exit code is 1 where it refutes a guarantee."""
    command = [options.testbed, "audit", policy, "--json", "--quiet", *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"experiment: {' '.join(command)} ended with {done.returncode}")
    return json.loads(done.stdout)


def compare(options, name, metric, vary, settings=None, seeds=5, baseline=None, better=None):
    """The variants of `testbed compare` by their values; the runs stay in the experiment's folder, so that another metric costs nothing."""
    command = [options.testbed, "compare", topology(name), "--json", "--quiet", "--metric", metric, "--seeds", str(seeds), "--jobs", "1",
               "--out", os.path.join(options.folder, "compared")]
    for key, values in vary.items():
        command += ["--vary", f"{key}={','.join(values)}"]
    for key, value in (settings or {}).items():
        command += ["--set", f"{key}={value}"]
    if baseline:
        command += ["--baseline", baseline]
    if better:
        command += [f"--{better}-is-better"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"experiment: {' '.join(command)} ended with {done.returncode}")
    return json.loads(done.stdout)


def mean_and_half_width(values):
    """Mean, and half of its 95% interval by Student's t."""
    quantiles = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
    mean = statistics.mean(values)
    if len(values) < 2:
        return mean, math.nan
    return mean, quantiles.get(len(values), 1.96) * statistics.stdev(values) / math.sqrt(len(values))


def versus(rows, group, who, baseline, column, better=min):
    """Adds to each row by how much its column differs from that of the baseline of its group."""
    base = {tuple(row[key] for key in group): row[column] for row in rows if row[who] == baseline}
    for row in rows:
        reference = base.get(tuple(row[key] for key in group))
        row[f"{column} to {baseline}"] = row[column] / reference if reference else math.nan
    return rows


# MARK: MC-SF beside the optimum

# Published: mean ratio, worst ratio, exactly optimal of 200.
PUBLISHED = {"study-at-start": (1.005, 1.074, 114), "study-arrivals": (1.047, 1.227, None)}
# Requests of an instance, instances, states of the dynamic programmes. The study has 40 to 60 requests: there the relaxation's bound gives an interval, and
# the best schedule found says how far MC-SF is from the optimum at the least.
SIZES = ((5, 200, 500_000), (10, 20, 2_000_000), (15, 4, 3_000_000), (20, 3, 3_000_000), (None, 10, 0))


def mc_sf():
    for family, (requests, instances, states) in itertools.product(PUBLISHED, SIZES):
        yield {"family": family, "requests": requests or "all", "instances": instances, "states": states}


def mc_sf_row(point, options):
    more = ["--family", point["family"], "--instances", str(point["instances"]), "--states", str(point["states"]), "--nodes", "0"]
    if point["requests"] != "all":
        more += ["--requests", str(point["requests"])]
    found = audit(options, "mc-sf", *more)["origins"][0]
    mean, worst, exact = PUBLISHED[point["family"]]
    return {
        "proved": found["proved"], "optimal": found["optimal"], "mean ratio": found["mean_ratio"], "at most": found["mean_ratio_at_most"],
        "worst ratio": found["worst_ratio"], "worst at most": found["worst_ratio_at_most"],
        "published mean": mean, "published worst": worst, "published optimal": f"{exact} of 200" if exact else "-",
    }


# MARK: Sorted-F with unequal prompts

ORDERS = ("fcfs", "sjf", "mc-sf", "sorted-f")


def sorted_f():
    for policy in ORDERS:
        yield {"setting": "rounds, unequal prompts", "policy": policy}
    yield {"setting": "engine, chats and documents", "policy": "all"}
    yield {"setting": "engine, equal prompts", "policy": "all"}


def sorted_f_row(point, options):
    if point["policy"] != "all":
        found = audit(options, point["policy"], "--family", "unequal-prompts", "--instances", "300", "--predictor", "oracle")["origins"][0]
        return {"figure": "ratio to the optimum", "mean": found["mean_ratio"], "worst": found["worst_ratio"], "number": found["proved"],
                "difference %": "-", "half width %": "-", "verdict": f"{found['optimal']} of {found['instances']} optimal"}
    settings = {"workload.prompt-tokens": 200} if "equal" in point["setting"] else {}
    key = "pools.worker.engine.scheduling"
    found = compare(options, "experiments/backlog", "e2e_s.mean", {key: ORDERS}, settings, baseline="sorted-f")
    return compared(point, found, "mean latency s")


def compared(point, found, figure):
    """Rows of a comparison, a variant each."""
    base = next(variant["mean"] for variant in found["variants"] if variant["verdict"] == "baseline")
    rows = []
    for variant in found["variants"]:
        difference = variant["difference"] or {}
        share, half = difference.get("mean"), difference.get("half_width")
        rows.append(point | {
            "policy": ", ".join(variant["values"].values()), "figure": figure, "mean": variant["mean"],
            "worst": max(run["value"] for run in variant["runs"]), "number": len(variant["runs"]),
            "difference %": "-" if share is None else 100 * share / base, "half width %": "-" if half is None else 100 * half / base,
            "verdict": variant["verdict"],
        })
    return rows


# MARK: A-max and A-min by the width of intervals

def a_min():
    for width, policy in itertools.product((1, 2, 4, 10, 20, 32), ("a-max", "a-min")):
        yield {"width": width, "policy": policy}


def a_min_row(point, options):
    predictor = f"interval,ratio={1 / point['width']:.6g}"
    mean = audit(options, point["policy"], "--family", "one-interval", "--predictor", predictor, "--instances", "200")["origins"][0]
    found = audit(options, point["policy"], "--predictor", predictor)
    claims = [claim for claim in found["guarantees"] if claim["worst"] and "total latency" in claim["claim"]]
    width = point["width"]
    return {
        "mean ratio": mean["mean_ratio"], "worst ratio": max((claim["worst"] for claim in claims), default=math.nan),
        "r(1+r)/2": width * (1 + width) / 2, "1 + ln r": 1 + math.log(width),
        "verdict": "; ".join(sorted({claim["verdict"] for claim in claims})),
    }


# MARK: WAIT's threshold

PROMPT, OUTPUT, CAPACITY = 64, 32, 26400
LOADS = (0.8, 0.9, 0.95, 1.05, 1.1, 1.2)


def wait():
    for policy, load in itertools.product(("fcfs", "fcfs-protected", "wait"), LOADS):
        yield {"policy": policy, "load": load}


def least_squares(rows, values):
    """Coefficients with the least sum of squares, by elimination on the normal equations."""
    size = len(rows[0])
    matrix = [[sum(row[i] * row[j] for row in rows) for j in range(size)] + [sum(row[i] * y for row, y in zip(rows, values))] for i in range(size)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda row: abs(matrix[row][i]))
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        for row in range(size):
            if row != i:
                factor = matrix[row][i] / matrix[i][i]
                matrix[row] = [a - factor * b for a, b in zip(matrix[row], matrix[i])]
    return [matrix[i][size] / matrix[i][i] for i in range(size)]


def iteration_time(options, run, records):
    """Constant, time for each token of context, and time for each token of a prompt: of an iteration, fitted to a run at half of what can be served."""
    with options.lock:
        if not hasattr(options, "fitted"):
            _, folder = run(options, "experiments/wait", {"workload.arrivals.poisson": "250/s", "workload.duration": "20s"})
            rows = records(folder, "iterations")
            options.fitted = least_squares(
                [(1, int(row["kv_blocks"]), int(row["prefill_tokens"])) for row in rows],
                [float(row["end_s"]) - float(row["start_s"]) for row in rows])
    return options.fitted


def wait_row(point, options, run, records):
    constant, context, prompt = iteration_time(options, run, records)
    # A request is in OUTPUT iterations: its first token comes with its prompt. Token-iterations of memory that it takes:
    work = OUTPUT * (PROMPT + (OUTPUT - 1) / 2)
    # In the fluid equilibrium n requests join an iteration of n / rate = constant + context n work + prompt n PROMPT, and n work is the cache.
    joined = CAPACITY / work
    capacity = joined / (constant + context * CAPACITY + prompt * joined * PROMPT)
    rate = point["load"] * capacity
    scheduling = point["policy"]
    if scheduling == "wait":
        # The largest whole threshold whose requests of all stages fit.
        scheduling = f"{{policy: wait, threshold: {int(CAPACITY / work)}, first: {OUTPUT}}}"
    slopes, rates, lost, latencies = [], [], [], []
    for seed in (1, 2, 3):
        settings = {"workload.arrivals.poisson": f"{rate:.3f}/s", "workload.duration": "120s", "pools.worker.engine.scheduling": scheduling,
                    "seed": seed}
        summary, folder = run(options, "experiments/wait", settings)
        done = [row for row in records(folder, "requests") if row["status"] == "done"]
        ends = sorted(float(row["finish_s"]) for row in done)
        # Requests in the system at the ends of ten spans of the second half: arrived less ended.
        times = [60 + 6 * step for step in range(11)]
        arrivals = sorted(float(row["arrival_s"]) for row in done)
        level = [bisect.bisect(arrivals, time) - bisect.bisect(ends, time) for time in times]
        slopes.append(statistics.linear_regression(times, level)[0])
        rates.append((bisect.bisect(ends, 120) - bisect.bisect(ends, 60)) / 60)
        lost.append(sum(worker["preemptions"] for worker in summary["workers"].values()) / len(done))
        latencies.append(summary["e2e_s"]["mean"])
    growth, half = mean_and_half_width(slopes)
    return {
        "fluid threshold /s": capacity, "rate /s": rate, "growth /s": growth, "half width": half, "predicted growth /s": max(0.0, rate - capacity),
        "served /s": statistics.mean(rates), "preemptions a request": statistics.mean(lost), "mean latency s": statistics.mean(latencies),
    }


# MARK: Barriers: BF-IO and BalanceRoute

def normal_lengths(mean, deviation, step, limit):
    """A normal distribution without its negative part, in steps: the lengths of BF-IO's synthetic study."""
    entries = []
    for tokens in range(step, limit + 1, step):
        weight = math.exp(-0.5 * ((tokens - mean) / deviation) ** 2)
        if weight > 1e-6:
            entries.append(f"{{tokens: {tokens}, weight: {weight:.6f}}}")
    return "{empirical: [" + ", ".join(entries) + "]}"


POOLED = {
    "round-robin": "round-robin", "join-shortest-queue": "join-shortest-queue", "least-kv": "least-kv",
    "bf-io, H = 0": "{policy: bf-io, horizon: 0}", "bf-io, H = 40": "{policy: bf-io, horizon: 40}",
}


def bf_io():
    for workers, batch in ((8, 16), (8, 64), (16, 16), (16, 64), (32, 16), (32, 64)):
        for policy in POOLED:
            yield {"workers": workers, "batch": batch, "policy": policy}


class Barriers:
    """Imbalance of a gang while all its places are taken."""

    def __init__(self, folder, window, workers):
        iterations = {}
        with open(os.path.join(folder, "iterations.csv"), newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["attention_s"] and window[0] <= float(row["start_s"]) < window[1]:
                    iterations.setdefault(row["start_s"], []).append((16 * int(row["kv_blocks"]), int(row["decode_tokens"]), float(row["end_s"])))
        starts = sorted(iterations, key=float)
        self.imbalance, self.spread, self.idle, self.energy, self.tokens = [], [], [], 0.0, 0
        for start, following in zip(starts, starts[1:]):
            loads = [entry[0] for entry in iterations[start]] + [0] * (workers - len(iterations[start]))
            most = max(loads)
            if not most:
                continue
            span = float(following) - float(start)
            self.imbalance.append(workers * most - sum(loads))
            self.spread.append(most - min(loads))
            self.idle.append(1 - sum(loads) / (workers * most))
            # The published law: watts by load over the largest load.
            self.energy += span * sum(100 + 300 * (load / most) ** 0.7 for load in loads)
            self.tokens += sum(entry[1] for entry in iterations[start])
        self.seconds = float(starts[-1]) - float(starts[0]) if len(starts) > 1 else 0.0
        if len(self.imbalance) < 20:
            sys.exit(f"experiment: {folder}: {len(self.imbalance)} iterations are steady, expected 20 or more")

    def figures(self):
        return {
            "imbalance": statistics.mean(self.imbalance), "max - min": statistics.mean(self.spread), "idle": statistics.mean(self.idle),
            "tokens/s": self.tokens / self.seconds, "J a token": self.energy / self.tokens, "iterations": len(self.imbalance),
        }


SEEDS = (1, 2, 3)


def barrier_run(point, options, run, records, settings):
    """Means over the seeds, with half of the 95% interval of the imbalance's."""
    workers, batch = point["workers"], point["batch"]
    places = workers * batch
    settings = {"pools.rank.count": workers, "pools.rank.engine.max-batch": batch} | settings
    found = []
    for seed in SEEDS:
        _, folder = run(options, "experiments/barrier", settings | {"seed": seed})
        rows = records(folder, "requests")
        ends = sorted(float(row["finish_s"]) for row in rows)
        window = (ends[places // 2], max(float(row["arrival_s"]) for row in rows))
        found.append(Barriers(folder, window, workers).figures())
    figures = {}
    for key in found[0]:
        mean, half = mean_and_half_width([entry[key] for entry in found])
        figures[key] = mean
        if key == "imbalance":
            figures["half width"] = half
    return figures


def bf_io_row(point, options, run, records):
    settings = {
        "controller.decode-routing": POOLED[point["policy"]], "workload.prompt-tokens": normal_lengths(3200, 2600, 100, 14000),
        "workload.output-tokens": normal_lengths(300, 175, 10, 1000), "workload.requests": 4 * point["workers"] * point["batch"],
        # Four waiting requests a worker, always.
        "workload.arrivals.closed-loop.concurrency": point["workers"] * (point["batch"] + 4),
    }
    return barrier_run(point, options, run, records, settings)


def bf_io_end(rows):
    for column in ("imbalance", "tokens/s", "J a token"):
        versus(rows, ("workers", "batch"), "policy", "round-robin", column)
    return rows


ROUTES = {
    "random": "random", "round-robin": "round-robin", "power-of-two": "power-of-two", "join-shortest-queue": "join-shortest-queue",
    "least-kv": "least-kv", "BR-0": "balance-route", "BR-H, H = 80": "{policy: balance-route, horizon: 80}",
    "BR-H, H = 80, noise 0.5": "{policy: balance-route, horizon: 80}", "bf-io, H = 40": "{policy: bf-io, horizon: 40}",
}
# Published, of 8 workers: largest less smallest cache, tokens/s.
PUBLISHED_ROUTES = {"random": ("147k", 706), "round-robin": ("110k", 771), "power-of-two": ("109k", 794), "join-shortest-queue": ("105k", 785),
                    "BR-0": ("54k", 854), "BR-H, H = 80": ("35k", 957), "BR-H, H = 80, noise 0.5": ("38k (deployed)", 909)}


def balance_route():
    for policy in ROUTES:
        yield {"workers": 8, "batch": 64, "policy": policy}


def azure(options):
    """The trace of 2024 with outputs above 1,000 tokens, as published, else what there is of 2023 with those above 300; `None` without either."""
    if not hasattr(options, "azure"):
        path = data("azure_llm_2024_conv.csv", "AzureLLMInferenceTrace_conv_1week.csv", "azure_llm_2023_conv_first2700s.csv")
        options.azure = None
        if path:
            is_published = "2023" not in os.path.basename(path)
            least = 1000 if is_published else 300
            with open(path, newline="", encoding="utf-8") as file:
                rows = list(itertools.islice((row for row in csv.DictReader(file) if int(row["GeneratedTokens"]) > least), 2048))
            options.azure = os.path.join(options.folder, "azure.csv")
            with open(options.azure, "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(("TIMESTAMP", "ContextTokens", "GeneratedTokens"))
                writer.writerows((row["TIMESTAMP"], row["ContextTokens"], row["GeneratedTokens"]) for row in rows)
            if not is_published:
                print("experiment: no Azure trace of 2024 in shared/data/traces: the conversation trace of 2023 takes its place, outputs above 300",
                      file=sys.stderr)
            # 30,000 tokens/s, which is more than eight ranks can do, so that requests always wait.
            first, last = (datetime.datetime.fromisoformat(row["TIMESTAMP"][:26]) for row in (rows[0], rows[-1]))
            tokens = sum(int(row["GeneratedTokens"]) for row in rows)
            options.azure_scale = 30000 / tokens * (last - first).total_seconds()
            options.azure_name = f"Azure {'2024' if is_published else '2023'}, outputs > {least}"
        else:
            print("experiment: no Azure trace in shared/data/traces: log-normal lengths take its place", file=sys.stderr)
            options.azure_name = "log-normal"
    return options.azure


def balance_route_row(point, options, run, records):
    with options.lock:
        path = azure(options)
    settings = {"controller.decode-routing": ROUTES[point["policy"]]}
    if "noise" in point["policy"]:
        settings["predictor"] = "{name: noisy, error: 0.5}"
    if path:
        settings["workload"] = f"{{trace: {path}, rate-scale: {options.azure_scale:.3f}}}"
    else:
        settings["workload"] = ("{arrivals: {poisson: 70/s}, prompt-tokens: {log-normal: {median: 900, sigma: 1.0, limit: 8000}}, "
                                "output-tokens: {log-normal: {median: 400, sigma: 0.4, limit: 1500}}, requests: 2048}")
    figures = barrier_run(point, options, run, records, settings)
    spread, tokens = PUBLISHED_ROUTES.get(point["policy"], ("-", "-"))
    return {"trace": options.azure_name} | figures | {"published max - min": spread, "published tokens/s": tokens}


# MARK: TRAIL

TRAIL_PREDICTORS = {
    "oracle": "oracle", "noisy 0.5": "{name: noisy, error: 0.5}", "noisy 0.9": "{name: noisy, error: 0.9}",
    "refined 0.9": "{name: refined, error: 0.9}",
}
PREEMPTIVE = ("fcfs", "sjf", "srpt", "trail")


def trail():
    for predictor, load in itertools.product(TRAIL_PREDICTORS, (0.7, 0.9)):
        yield {"predictor": predictor, "load": load}


def trail_row(point, options):
    rate = bound(options, "experiments/trail")
    rows = []
    settings = {"workload.arrivals.poisson": f"{point['load'] * rate:.3f}/s", "predictor": TRAIL_PREDICTORS[point["predictor"]]}
    for metric, figure in (("e2e_s.mean", "mean latency s"), ("ttft_s.mean", "mean TTFT s")):
        found = compare(options, "experiments/trail", metric, {"pools.worker.engine.scheduling": PREEMPTIVE}, settings, baseline="fcfs")
        rows += compared(point, found, figure)
    return rows


# MARK: Saturation

SATURATED = ("pd-1x1", "pd-4x8", "pd-layerwise", "pd-tight-memory", "pd-8x8-pipeline", "colo-8", "colo-8-whole-prompts", "moe-ep8", "moe-ep32",
             "afd-4a4e")
# Requests like those of the sample of the conversation trace, which is too short to saturate anything for long.
CONVERSATIONS = ("prompt-tokens: {log-normal: {median: 1020, sigma: 0.7, limit: 8192}}, "
                 "output-tokens: {log-normal: {median: 129, sigma: 0.9, limit: 2048}}")
OVERLOAD, OFFERED = 1.3, 90


def bound(options, name, settings=None):
    """The rate that no policy can go beyond."""
    command = [options.testbed, "bound", topology(name), "--json"]
    for key, value in (settings or {}).items():
        command += ["--set", f"{key}={value}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"experiment: {' '.join(command)} ended with {done.returncode}")
    found = json.loads(done.stdout)
    return min(phase["requests_per_s"] for phase in found["capacities"])


def saturation():
    for name in SATURATED:
        yield {"topology": name}


def saturation_row(point, options, run, records):
    """Offers 1.3 times the bound for 90 s: what ends in the second half of that is what the topology can serve."""
    name = point["topology"]
    with open(topology(name), encoding="utf-8") as file:
        is_trace = "trace:" in file.read()

    def offered(rate):
        if is_trace:
            return {"workload": f"{{arrivals: {{poisson: {rate:.3f}/s}}, {CONVERSATIONS}, requests: {math.ceil(rate * OFFERED)}}}"}
        return {"workload.arrivals.poisson": f"{rate:.3f}/s", "workload.requests": math.ceil(rate * OFFERED)}

    # The bound depends on the lengths, not on the rate.
    most = bound(options, name, offered(40))
    _, folder = run(options, name, offered(OVERLOAD * most))
    rows = records(folder, "requests")
    last = max(float(row["arrival_s"]) for row in rows)
    ends = sorted(float(row["finish_s"]) for row in rows if row["status"] == "done")
    measured = (bisect.bisect(ends, last) - bisect.bisect(ends, last / 2)) / (last / 2)
    return {
        "bound /s": most, "saturates at /s": measured, "of the bound": measured / most, "offered": len(rows), "done": len(ends),
        "preemptions a request": sum(int(row["preemptions"]) for row in rows) / len(rows),
    }


# MARK: Routing to workers that do not wait for each other

ROUTINGS = ("round-robin", "random", "power-of-two", "join-shortest-queue", "least-kv", "least-work", "online-lp", "{policy: bf-io, horizon: 20}",
            "balance-route")


def routing():
    for load in (0.5, 0.8, 0.95):
        yield {"workload": "conversations", "load": load}


def routing_row(point, options):
    """`colo-8` at shares of the 75 requests/s at which it saturates, lengths known to half of them."""
    rate = 75 * point["load"]
    settings = {"workload": f"{{arrivals: {{poisson: {rate:.3f}/s}}, {CONVERSATIONS}, requests: 2500}}", "predictor": "{name: noisy, error: 0.5}"}
    rows = []
    for metric, figure in (("e2e_s.mean", "mean latency s"), ("ttft_s.p99", "p99 TTFT s")):
        found = compare(options, "colo-8", metric, {"controller.routing": ROUTINGS}, settings, baseline="join-shortest-queue")
        rows += compared(point, found, figure)
    return rows


EXPERIMENTS = {
    "mc-sf": (mc_sf, mc_sf_row, None), "sorted-f": (sorted_f, sorted_f_row, None), "a-min": (a_min, a_min_row, None),
    "wait": (wait, wait_row, None), "bf-io": (bf_io, bf_io_row, bf_io_end), "balance-route": (balance_route, balance_route_row, None),
    "routing": (routing, routing_row, None), "trail": (trail, trail_row, None), "saturation": (saturation, saturation_row, None),
}
