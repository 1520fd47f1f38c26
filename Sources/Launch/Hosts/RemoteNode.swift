import Cluster
import Glibc
import Transport

/// A node's process on another host, as its launcher holds it.
final class RemoteNode: Child {
    private let hosts: RemoteHosts

    init(node: NodePlan, hosts: RemoteHosts) {
        self.hosts = hosts
        super.init(node: node, control: RemoteControl(node: node.index, hosts: hosts))
    }

    override func kill(_ signal: Int32) { if ending == nil { hosts.send(.signal(signal), to: node.index) } }

    override var isStopped: Bool { ending == nil && hosts.seats[node.index].isStopped }

    override func reap(waits: Bool = false) -> Bool {
        while ending == nil, hosts.seats[node.index].ending == nil, waits {
            hosts.wait(milliseconds: 50)
            // A socket that fails will not bring the news.
            if (try? hosts.receive()) == nil { break }
        }
        if ending == nil { ending = hosts.seats[node.index].ending }
        return ending != nil
    }
}

/// The conversation with a node on another host.
final class RemoteControl: ControlEnd {
    private let node: Int
    private let hosts: RemoteHosts

    init(node: Int, hosts: RemoteHosts) {
        self.node = node
        self.hosts = hosts
    }

    var descriptor: Int32 { -1 }

    func send(_ message: ControlMessage) throws(SystemError) -> Bool { hosts.send(.control(message.packet), to: node) }

    func offer(_ message: ControlMessage) throws(SystemError) -> Bool? { hosts.offer(.control(message.packet), to: node) }

    func receive(waits: Bool) throws(SystemError) -> ControlChannel.Received {
        if let message = hosts.takeMessage(of: node) { return .message(message) }
        try receiveAll()
        if let message = hosts.takeMessage(of: node) { return .message(message) }
        guard hosts.seats[node].runs else { return .closed }
        guard waits else { return .nothing }
        hosts.wait(milliseconds: 50)
        try receiveAll()
        return hosts.takeMessage(of: node).map { .message($0) } ?? .nothing
    }

    private func receiveAll() throws(SystemError) {
        do { try hosts.receive() } catch { throw SystemError("\(error)") }
    }
}
