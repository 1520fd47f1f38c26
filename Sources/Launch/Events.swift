import CSystem
import Glibc
import Transport

/// Waits for many descriptors at once, and for the signals that end a run.
final class Events {
    /// What has happened.
    enum Event: Equatable {
        /// A descriptor that was added under this number is readable.
        case readable(Int)
        /// SIGINT or SIGTERM.
        case interrupted
    }

    private let epoll: Int32
    private let signals: Int32
    private var previousMask = sigset_t()
    private var ready = [epoll_event](repeating: epoll_event(), count: 64)
    private static let signalNumber = UInt64.max

    init() throws(SystemError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw SystemError("epoll_create1", code: errno) }
        var mask = sigset_t()
        sigemptyset(&mask)
        sigaddset(&mask, SIGINT)
        sigaddset(&mask, SIGTERM)
        // Not when it is ignored, as under nohup, which asks for just that.
        if testbed_is_ignored(SIGHUP) == 0 { sigaddset(&mask, SIGHUP) }
        pthread_sigmask(SIG_BLOCK, &mask, &previousMask)
        signals = signalfd(-1, &mask, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK))
        guard signals >= 0 else { throw SystemError("signalfd", code: errno) }
        try add(signals, data: Self.signalNumber)
    }

    deinit {
        // A signal that came when the run was over is not to end the process now.
        _ = isInterrupted()
        close(signals)
        close(epoll)
        pthread_sigmask(SIG_SETMASK, &previousMask, nil)
    }

    /// Watches a descriptor under a number of the caller's.
    func add(_ descriptor: Int32, number: Int) throws(SystemError) { try add(descriptor, data: UInt64(number)) }

    private func add(_ descriptor: Int32, data: UInt64) throws(SystemError) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.u64 = data
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 else { throw SystemError("epoll_ctl", code: errno) }
    }

    /// No longer watches a descriptor.
    func remove(_ descriptor: Int32) { epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil) }

    /// Waits for events, `milliseconds` at the most, and appends them.
    func wait(milliseconds: Int32, into events: inout [Event]) throws(SystemError) {
        let count = epoll_wait(epoll, &ready, Int32(ready.count), milliseconds)
        if count < 0 {
            if errno == EINTR { return }
            throw SystemError("epoll_wait", code: errno)
        }
        for place in 0..<Int(count) {
            let data = ready[place].data.u64
            if data == Self.signalNumber {
                if isInterrupted() { events.append(.interrupted) }
            } else {
                events.append(.readable(Int(data)))
            }
        }
    }

    /// Whether a signal that ends the run has come, without waiting.
    func isInterrupted() -> Bool {
        var information = signalfd_siginfo()
        var found = false
        while read(signals, &information, MemoryLayout<signalfd_siginfo>.size) > 0 { found = true }
        return found
    }
}
