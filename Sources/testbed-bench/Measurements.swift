import Cluster
import Glibc
import Quantities
import Terminal

/// Everything that is measured, in the order in which it is printed.
struct Measurements {
    let bench: String
    let directory: String
    let isQuick: Bool

    private var loads: Loads { Loads(directory: directory, package: ".") }

    /// Measures all of it.
    func all() throws -> Findings {
        var findings = Findings()
        findings.load = loadAverage
        let bare = try bareLoops(&findings)
        try hour(&findings, bare)
        try sizes(&findings, bare)
        try gangs(&findings)
        try yardsticks(&findings)
        note("pieces of an event")
        for piece in Pieces(rounds: 5, calls: isQuick ? 50_000 : 400_000).measure() {
            findings.add("pieces of an event", piece.name, piece.nanoseconds, "ns")
        }
        for decision in DecisionPieces(rounds: isQuick ? 20 : 100).measure() {
            findings.add("a routing decision", decision.name, decision.microseconds, "us")
        }
        for figure in GatePieces(batches: isQuick ? 512 : 2048).measure() {
            findings.add("a call of the gate", figure.name, figure.value, figure.unit)
        }
        return findings
    }

    private func note(_ text: String) { StandardStream.error.write("measuring \(text)\n") }

    private var loadAverage: Double {
        var average = 0.0
        return getloadavg(&average, 1) == 1 ? average : .nan
    }

    private func median(_ count: Int, _ body: () throws -> Double) rethrows -> Double { Measure.median(try (0..<count).map { _ in try body() }) }

    /// What the machine gives.
    private struct Bare {
        var streaming: Double
        var zeroMQ: Double
        var seqpacket: Double
        var seqpacketPinned: Double
    }

    private func bareLoops(_ findings: inout Findings) throws -> Bare {
        note("bare loops")
        let loops = BareLoops(executable: bench, directory: directory)
        let trips = isQuick ? 3_000 : 20_000
        let bare = Bare(
            streaming: try median(3) { try loops.streaming(messages: isQuick ? 500_000 : 2_000_000) },
            zeroMQ: try median(3) { try loops.zeroMQRoundTrip(trips: trips) },
            seqpacket: try median(3) { try loops.seqpacketRoundTrip(trips: trips, sharesProcessor: false) },
            seqpacketPinned: try median(3) { try loops.seqpacketRoundTrip(trips: trips, sharesProcessor: true) })
        let part = "bare loops between two processes"
        findings.add(part, "ZeroMQ PUSH to PULL, 64 bytes", bare.streaming, "messages/s")
        findings.add(part, "ZeroMQ round trip", bare.zeroMQ, "us")
        findings.add(part, "seqpacket round trip", bare.seqpacket, "us")
        findings.add(part, "seqpacket round trip on one processor", bare.seqpacketPinned, "us")
        let windows = EmptyWindows(executable: bench, directory: directory)
        let empty = try median(3) { try windows.handOver(windows: trips) }
        findings.add(part, "empty window, grant to report", empty, "us")
        findings.add(part, "empty window to seqpacket round trip", empty / bare.seqpacket, "x")
        findings.add(part, "empty window to ZeroMQ round trip", empty / bare.zeroMQ, "x")
        return bare
    }

    private func hour(_ findings: inout Findings, _ bare: Bare) throws {
        note("pd-4x8")
        let path = try loads.hour(minutes: isQuick ? 5 : nil)
        let part = "pd-4x8, " + (isQuick ? "5 minutes of Poisson 5.4/s" : loads.hourInWords)
        let inproc = try runs(isQuick ? 3 : 5, path, .inproc)
        let virtual = try runs(isQuick ? 1 : 3, path, .virtual)
        compare(inproc, virtual, bare, part, &findings)
    }

    private func sizes(_ findings: inout Findings, _ bare: Bare) throws {
        for workers in [16, 64, 256] {
            note("\(workers) workers")
            let path = try loads.scaled(workers: workers, seconds: isQuick ? 6 : 30)
            let inproc = try runs(3, path, .inproc)
            let virtual = try runs(1, path, .virtual)
            compare(inproc, virtual, bare, "\(workers) workers, llama-3.1-8b, \(Figures.number(150 * Double(workers) / 256)) requests/s", &findings)
        }
    }

    /// Clusters with barriers in every layer.
    private func gangs(_ findings: inout Findings) throws {
        let cases: [(name: String, requests: Int, clocks: [ClockMode], target: String)] = [
            ("afd-4a4e", isQuick ? 40 : 150, [.inproc, .virtual], "virtual at least 1"),
            ("moe-ep8", isQuick ? 20 : 100, [.inproc, .virtual], "virtual at least 1"),
            ("moe-ep32", isQuick ? 150 : 800, [.inproc], "inproc at least 50"),
            ("ep144-deepseek-v3", isQuick ? 100 : 1_000, [.inproc, .virtual], "virtual at least 5"),
        ]
        for (name, requests, clocks, target) in cases {
            note(name)
            let path = try loads.bundled(name, requests: requests)
            let part = "\(name), \(requests) requests; target: emulated seconds per second under \(target)"
            var digests: [String] = []
            for clock in clocks {
                let run = try runs(1, path, clock)
                digests.append(run.digest)
                findings.add(part, "\(clock.rawValue), emulated seconds per second", run.speed, "x")
                findings.add(part, "\(clock.rawValue), messages modelled per second", run.messages / run.wall, "messages/s")
                findings.add(part, "\(clock.rawValue), processor time", run.processor, "s")
            }
            findings.add(part, "digests agree", Set(digests).count == 1 ? 1 : 0, "(1: yes)")
        }
    }

    private func yardsticks(_ findings: inout Findings) throws {
        note("tokens per processor second")
        let path = try loads.colocated(requests: isQuick ? 2_000 : 8_000)
        let part = "output tokens per processor second, records written: " + loads.colocatedInWords
        let inproc = try runs(5, path, .inproc)
        let virtual = try runs(isQuick ? 1 : 3, path, .virtual)
        findings.add(part, "inproc", inproc.tokensPerProcessor, "tokens/s")
        findings.add(part, "inproc, peak memory", inproc.totalMemory / 1e6, "MB")
        findings.add(part, "virtual, all processes", virtual.tokensPerProcessor, "tokens/s")
        findings.add(part, "virtual, peak memory of all processes", virtual.totalMemory / 1e6, "MB")
        let peers = [("NVIDIA Dynamo offline replay (89 MB)", 2.13e6), ("BLIS", 68e3), ("splitwise-sim", 64e3), ("Vidur", 61e3)]
        for (name, rate) in peers {
            findings.add(part, "yardstick: \(name)", rate, "tokens/s")
            findings.add(part, "inproc to \(name)", inproc.tokensPerProcessor / rate, "x")
        }
    }

    /// The run of median host time.
    private func runs(_ count: Int, _ path: String, _ clock: ClockMode) throws -> Emulation {
        let all = try (0..<count).map {
            try Emulation.measure(bench, topology: path, clock: clock, folder: "\(directory)/run-\(clock.rawValue)-\($0)")
        }
        return all.sorted { $0.wall < $1.wall }[(count - 1) / 2]
    }

    private func compare(_ inproc: Emulation, _ virtual: Emulation, _ bare: Bare, _ part: String, _ findings: inout Findings) {
        func add(_ name: String, _ value: Double, _ unit: String) { findings.add(part, name, value, unit) }
        add("digests of inproc and virtual agree", inproc.digest == virtual.digest ? 1 : 0, "(1: yes)")
        add("inproc, emulated seconds per second", inproc.speed, "x")
        add("inproc, events per second", inproc.events / inproc.wall, "events/s")
        add("inproc, peak memory", inproc.totalMemory / 1e6, "MB")
        add("virtual, emulated seconds per second", virtual.speed, "x")
        add("virtual, events per second", virtual.events / virtual.wall, "events/s")
        add("virtual, messages per second", virtual.messages / virtual.wall, "messages/s")
        add("virtual, messages to the bare ZeroMQ stream", virtual.messages / virtual.wall / bare.streaming, "x")
        add("virtual, windows granted", virtual.windows, "")
        add("virtual, events per window", virtual.events / virtual.windows, "")
        let handOver = virtual.wall / virtual.windows * 1e6
        add("virtual, host time per window, work included", handOver, "us")
        add("virtual, window to seqpacket round trip", handOver / bare.seqpacket, "x")
        add("virtual, window to ZeroMQ round trip", handOver / bare.zeroMQ, "x")
        add("virtual, processors busy", virtual.processor / virtual.wall, "")
        add("virtual, processor time", virtual.processor, "s")
        add("virtual, start-up to the first window", virtual.startUp * 1e3, "ms")
        add("virtual, peak memory of the launcher", virtual.launcherMemory / 1e6, "MB")
        add("virtual, peak memory of the largest node", virtual.nodeMemory / 1e6, "MB")
        add("virtual, peak memory, sum over processes", virtual.totalMemory / 1e6, "MB")
        add("virtual, memory, shared pages once", virtual.proportionalMemory / 1e6, "MB")
    }
}
