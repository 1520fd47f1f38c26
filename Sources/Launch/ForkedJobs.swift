import CSystem
import Glibc
import Records
import Transport

/// Jobs in processes of their own, some side by side: each a fork of this one that does its part, answers with a JSON value and ends.
///
/// What goes wrong in one does not touch the others. Only for a program with a single thread, which a fork keeps whole.
public struct ForkedJobs {
    /// How a job ended.
    public enum Ending: Sendable, Equatable {
        case answered(JSONValue)
        /// It ended without an answer; why.
        case died(String)
    }

    /// A job under way.
    private struct Job {
        let number: Int
        let process: pid_t
        let pipe: Int32
        var answer: [UInt8] = []
    }

    /// Time that jobs have to end after an interrupt.
    private static let grace: Int64 = 20_000_000_000

    private var running: [Job] = []
    private let events: Events
    private let onEnd: (Int, Ending) -> Void
    private var interruptedAt: Int64?

    /// Runs jobs number 0 to `count` - 1.
    /// - Parameters:
    ///   - sideBySide: jobs at the same time at the most.
    ///   - body: what a job does, in its own process. SIGINT asks it to end early.
    ///   - onEnd: called here when a job has ended, in the order of the ends.
    ///   - onTick: called here now and then.
    /// - Returns: whether all ran; not when an interrupt kept jobs from being started or finished.
    public static func run(
        _ count: Int, sideBySide: Int, body: (Int) -> JSONValue, onEnd: @escaping (Int, Ending) -> Void, onTick: (_ running: Int) -> Void
    ) throws -> Bool {
        var jobs = try ForkedJobs(onEnd: onEnd)
        return try jobs.run(count, sideBySide: sideBySide, body: body, onTick: onTick)
    }

    private init(onEnd: @escaping (Int, Ending) -> Void) throws {
        events = try Events()
        self.onEnd = onEnd
    }

    private mutating func run(_ count: Int, sideBySide: Int, body: (Int) -> JSONValue, onTick: (_ running: Int) -> Void) throws -> Bool {
        var next = 0
        do {
            while next < count || !running.isEmpty {
                if interruptedAt != nil, running.isEmpty { break }
                while next < count, running.count < max(1, sideBySide), interruptedAt == nil {
                    try start(next, body)
                    next += 1
                }
                onTick(running.count)
                try wait()
            }
        } catch {
            signal(SIGKILL)
            for job in running { _ = Self.reap(job.process) }
            throw error
        }
        return interruptedAt == nil
    }

    private mutating func start(_ number: Int, _ body: (Int) -> JSONValue) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw SystemError("make a pipe", code: errno) }
        let process = testbed_fork_job(ends[1])
        if process == 0 { Self.answer(body(number)) }
        let code = errno
        close(ends[1])
        guard process > 0 else {
            close(ends[0])
            throw SystemError("start a process", code: code)
        }
        running.append(Job(number: number, process: process, pipe: ends[0]))
        try events.add(ends[0], number: number)
    }

    /// The end of a job's process.
    private static func answer(_ value: JSONValue) -> Never {
        var rest = Array(value.text().utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(3, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { exit(1) }
            rest = rest.dropFirst(count)
        }
        exit(0)
    }

    private mutating func wait() throws {
        var happened: [Events.Event] = []
        try events.wait(milliseconds: 100, into: &happened)
        for event in happened {
            switch event {
            case .readable(let number): take(number)
            case .interrupted:
                // The second time is an order.
                signal(interruptedAt == nil ? SIGINT : SIGKILL)
                interruptedAt = interruptedAt ?? monotonicNow()
            }
        }
        if let interruptedAt, monotonicNow() - interruptedAt > Self.grace { signal(SIGKILL) }
    }

    private func signal(_ number: Int32) {
        for job in running { kill(job.process, number) }
    }

    /// Reads what a job says, and at its end says so.
    private mutating func take(_ number: Int) {
        guard let place = running.firstIndex(where: { $0.number == number }) else { return }
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        let count = read(running[place].pipe, &chunk, chunk.count)
        if count < 0, errno == EINTR || errno == EAGAIN { return }
        guard count <= 0 else {
            running[place].answer += chunk[0..<count]
            return
        }
        let job = running.remove(at: place)
        events.remove(job.pipe)
        close(job.pipe)
        let ending = Self.reap(job.process)
        if ending == .exited(0), let value = JSONValue(reading: job.answer) {
            onEnd(number, .answered(value))
        } else {
            onEnd(number, .died(ending.description))
        }
    }

    private static func reap(_ process: pid_t) -> ProcessEnding {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            // Somebody else has reaped it.
            guard errno == EINTR else { return .exited(1) }
        }
        return ProcessEnding(status: status)
    }
}
