import Cluster
import Glibc
import Launch
import Quantities
import Records
import TopologyFile
import Transport

/// What one run of the testbed came to, measured in a process of its own so that nothing of other runs counts.
struct Emulation {
    /// Figures in the order of `encoded`.
    private var figures: [Double]
    var digest: String

    /// Emulated seconds.
    var emulated: Double { figures[0] }
    /// Host seconds from the plan to the run's folder.
    var wall: Double { figures[1] }
    /// Processor seconds of all processes.
    var processor: Double { figures[2] }
    /// Windows granted.
    var windows: Double { figures[3] }
    var events: Double { figures[4] }
    var messages: Double { figures[5] }
    var outputTokens: Double { figures[6] }
    /// Host seconds from the first process started to the first window.
    var startUp: Double { figures[7] }
    /// Peak resident memory in bytes: of the launcher (or the one process), the largest of a node, the sum over all processes.
    var launcherMemory: Double { figures[8] }
    var nodeMemory: Double { figures[9] }
    var totalMemory: Double { figures[10] }
    /// Memory of all processes together, each shared page counted once, when it was last looked at.
    var proportionalMemory: Double { figures[11] }

    private init(_ figures: [Double], digest: String) {
        self.figures = figures
        self.digest = digest
    }

    /// Emulated seconds in a host second.
    var speed: Double { emulated / wall }
    /// Output tokens in a processor second.
    var tokensPerProcessor: Double { outputTokens / processor }

    /// Runs a topology in a new process.
    static func measure(_ bench: String, topology: String, clock: ClockMode, folder: String) throws -> Emulation {
        let ending = try Subprocess(bench, ["emulate", topology, clock.rawValue, folder]).wait()
        let words = ending.output.split(separator: " ").map(String.init)
        let figures = words.dropLast().compactMap(Double.init)
        guard ending.code == 0, figures.count == 12, let digest = words.last else {
            throw SystemError("the run of \(topology) under \(clock.rawValue) failed: \(ending.output)")
        }
        return Emulation(figures, digest: digest)
    }

    /// Runs a topology in this process and prints its figures.
    static func run(topology path: String, clock: String, folder: String, testbed: String) throws -> Int32 {
        guard case .success(let topology) = TopologyReader.read(path: path, settings: ["clock=\(clock)"]) else { return 2 }
        let run = Run(plan: topology.plan, out: folder, executable: testbed, version: "bench")
        var memory = MemoryWatch()
        let start = Processor.spent
        let result = try run.execute { _ in memory.look() }
        let processor = Processor.spent - start
        if let failure = result.failure {
            print(failure)
            return 1
        }
        let summary = result.summary
        let own = Processor.kilobytes("VmHWM", in: "/proc/self/status") ?? .nan
        let tokens = (summary.throughput.outputTokensPerSecond * summary.duration).rounded()
        let figures = [
            summary.duration, summary.wall, processor, Double(result.grants), Double(result.events), Double(summary.network.messages), tokens,
            seconds(result.startUp), own, memory.largest, memory.total + own, memory.proportional,
        ]
        print(figures.map { "\($0)" }.joined(separator: " "), summary.digest, terminator: "")
        return 0
    }
}

/// Looks at the memory of this process's children now and then.
private struct MemoryWatch {
    private var peaks: [pid_t: Double] = [:]
    private(set) var proportional = 0.0
    private var looks = 0
    private var next: Int64 = 0

    /// The largest peak of one process.
    var largest: Double { peaks.values.max() ?? 0 }
    /// The sum of all peaks.
    var total: Double { peaks.values.reduce(0, +) }

    mutating func look() {
        // Looking costs the kernel's time, so it is done rarely; peaks are kept by the kernel, so little is missed.
        let now = monotonicNow()
        guard now >= next else { return }
        next = now + 2_000_000_000
        looks += 1
        let children = Processor.children
        for child in children {
            guard let peak = Processor.kilobytes("VmHWM", in: "/proc/\(child)/status") else { continue }
            peaks[child] = max(peaks[child] ?? 0, peak)
        }
        guard looks == 2 || proportional == 0 else { return }
        proportional = (children + [getpid()]).reduce(0) { $0 + (Processor.kilobytes("Pss", in: "/proc/\($1)/smaps_rollup") ?? 0) }
    }
}
