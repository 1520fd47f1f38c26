import Cluster
import Foundation
import Testing

@testable import TopologyFile

@Suite("Faults are refused")
struct FaultMistakeTests {
    private func expectFaults(
        _ faults: String, _ expected: [Mistake], workload: String = "requests: 10", more: String = "", _ location: SourceLocation = #_sourceLocation
    ) {
        expect(FaultTests.cluster(faults, workload: workload, more: more), expected, sourceLocation: location)
    }

    private func expectEvents(
        _ events: String, _ expected: [Mistake], workload: String = "requests: 10", more: String = "", _ location: SourceLocation = #_sourceLocation
    ) {
        expectFaults("events: [\(events)]", expected, workload: workload, more: more, location)
    }

    @Test("with keys that make no fault, or not this one")
    func keys() {
        expectEvents(
            "{at: 1s}, {at: 1s, kil: decode-0}, {at: 1s, kill: decode-0, slow: decode-1}, 5",
            [
                ("{at: 1s}", "found no kind of fault, expected one key of kill, hang, slow, preempt, link, partition"),
                ("{at: 1s, kil:", "found no kind of fault, expected one key of kill, hang, slow, preempt, link, partition; did you mean 'kill'?"),
                ("slow: decode-1", "found 'slow' next to 'kill', expected one fault: others stand by themselves"),
                ("5]", "found '5', expected a fault as a mapping"),
            ])
        expectEvents(
            "{at: 1s, kill: decode-0, factor: 3}, {hang: decode-0}, {at: 2s, slow: decode-0, for: 1s}, {at: 1s, partition: decode-1, to: client, for: 1s}",
            [
                ("factor", "unknown key 'factor' in a fault of the kind kill, expected one of at, kill, restart"),
                ("{hang", "found no key 'at' in a fault of the kind hang"), ("{hang", "found no key 'for' in a fault of the kind hang"),
                ("{at: 2s", "found no key 'factor' in a fault of the kind slow"),
                ("to: client", "unknown key 'to' in a fault of the kind partition, expected one of at, partition, from, for"),
            ])
        expectFaults(
            "evnts: {}\nevents: []",
            [
                ("evnts", "unknown key 'evnts' in faults, expected one of events, random, until, trace; did you mean 'events'?"),
                ("[]", "found a list, expected a list of 1 to 2000 faults"),
            ])
    }

    @Test("with times that are none, and shares beyond the whole")
    func numbers() {
        expectEvents(
            "{at: -1s, kill: decode-0, restart: 0s}, {at: 0s, hang: decode-1, for: -2s}, {at: 3s, preempt: decode-2, grace: 0ms}",
            [
                ("-1s", "found '-1s', expected a time from 1ns to 10000h"), ("0s}", "found '0s', expected a time from 1ns"),
                ("0s, hang", "found '0s', expected a time from 1ns"), ("-2s", "found '-2s', expected a time from 1ns"),
                ("0ms", "found '0ms', expected a time from 1ns"),
            ])
        expectEvents(
            "{at: 1s, slow: decode-0, factor: 0.5, for: 1s}, {at: 1s, link: decode-0, bandwidth: 0, loss: 1, for: 1s}, "
                + "{at: 1s, link: decode-0, bandwidth: 1.5, loss: -0.1, latency: -5ms, for: 1}",
            [
                ("0.5", "found '0.5', expected a number from 1 to 1000000"), ("0, loss", "found '0', expected a number above 0, at most 1"),
                ("1, for", "found '1', expected a number from 0, below 1"), ("1.5", "found '1.5', expected a number above 0, at most 1"),
                ("-0.1", "found '-0.1', expected a number from 0, below 1"), ("-5ms", "found '-5ms', expected a time from 0ns"),
                ("1}]", "found '1' without a unit, expected a time such as 50ms"),
            ])
    }

    @Test("at a time when the workload is over, where that is known")
    func late() {
        expectEvents(
            "{at: 61s, kill: decode-0}, {at: 60s, kill: decode-1}", [("61s", "found a fault at 61s, expected one within the 1min of the workload")],
            workload: "duration: 60s")
        expectEvents("{at: 61s, kill: decode-0}", [])
    }

    @Test("of nodes, hosts and racks that are not there")
    func names() throws {
        let all = "expected one of client, controller, prefill-0 to prefill-1, decode-0 to decode-3, host-0 to host-1, rack-0 to rack-1"
        expectEvents(
            "{at: 1s, kill: decode-4}, {at: 1s, hang: [decode-0, host-2], for: 1s}, {at: 1s, kill: rack-01}, {at: 1s, kill: Controler}, "
                + "{at: 2s, partition: decode-1, from: [nobody], for: 1s}",
            [
                ("decode-4", "found no node 'decode-4', \(all); did you mean 'decode-0'?"), ("host-2", "found no host 'host-2', \(all)"),
                ("rack-01", "found no rack 'rack-01', \(all)"), ("Controler", "found no node 'Controler', \(all); did you mean 'controller'?"),
                ("nobody", "found no node 'nobody', \(all)"),
            ])
        // A worker of two hosts is hit with either, and may lose both.
        let wide = FaultTests.cluster("events: [{at: 1s, kill: [host-0, host-1]}, {at: 2s, kill: host-5}, {at: 3s, hang: [host-2, host-2], for: 1s}]")
            .replacing("count: 2}", with: "count: 2, tp: 8}")
        expect(
            wide,
            [
                ("host-5", "found no host 'host-5', \(all.replacing("host-1", with: "host-4").replacing("rack-1", with: "rack-4"))"),
                ("host-2], for", "found the node 'prefill-1' twice, expected it once"),
            ])
        // A node that is called like a host is a node.
        let text = """
            model: llama-3.1-8b
            pools: {host: {role: colocated, device: h100-sxm, count: 2}}
            workload: {arrivals: {poisson: 5/s}, requests: 10}
            faults: {events: [{at: 1s, kill: host-0}]}
            """
        #expect(try read(text).get().faults.events[0].targets == [.node("host-0")])
    }

    @Test("that name a node twice, on one side or on both")
    func twice() {
        // Four devices a host: host 0 has both prefill workers, decode-0 and decode-1.
        expectEvents(
            "{at: 1s, partition: [decode-2, decode-2], for: 1s}, {at: 2s, link: host-1, to: [prefill-0, decode-3], for: 1s}, "
                + "{at: 3s, kill: [decode-0, rack-0]}",
            [
                ("decode-2], for", "found the node 'decode-2' twice, expected it once: it stands before this"),
                ("decode-3]", "found the node 'decode-3' twice, expected it once: it stands before this in 'host-1'"),
                ("rack-0]", "found the node 'decode-0' twice, expected it once"),
            ])
        expectEvents(
            "{at: 1s, partition: [client, controller, host-0, host-1], for: 1s}",
            [("[client", "found every node of the cluster, expected one at least on the other side")])
    }

    @Test("of a node that is down, with the place of what ended it")
    func down() {
        func file(_ line: Int, _ column: Int) -> String { "see \(packageRoot)/Topologies/test.yaml:\(line):\(column)" }
        expectFaults(
            "events:\n- {at: 5s, hang: decode-0, for: 1s}\n- {at: 1s, kill: decode-0, restart: 10s}",
            [
                (
                    "decode-0, for",
                    "found the fault hang at 5s for 'decode-0', which is down from 1s until 11s, expected a node that is there: \(file(10, 5))"
                )
            ])
        expectEvents(
            "{at: 1s, kill: decode-0}, {at: 2h, kill: [decode-0]}",
            [
                (
                    "[decode-0]",
                    "found the fault kill at 2h for 'decode-0', which is down from 1s for good, expected a node that is there: \(file(8, 12))"
                )
            ])
        expectEvents(
            "{at: 1s, kill: host-0, restart: 1h}, {at: 2s, preempt: [host-0], grace: 1s}, {at: 3s, slow: [decode-1], factor: 2, for: 1s}",
            [
                ("[host-0]", "found the fault preempt at 2s for 'prefill-0', which is down from 1s until 3601s"),
                ("[decode-1]", "found the fault slow at 3s for 'decode-1', which is down from 1s until 3601s"),
            ])
        expectEvents(
            "{at: 1s, preempt: decode-0, grace: 10s, restart: 1s}, {at: 5s, slow: decode-0, factor: 2, for: 1s}, {at: 6s, preempt: [decode-0], grace: 1s}",
            [("[decode-0]", "found the fault preempt at 6s for 'decode-0', which has notice that it will be down from 11s until 12s")])
        expectEvents(
            "{at: 1s, preempt: decode-0, grace: 10s, restart: 1s}, {at: 6s, kill: [decode-0]}",
            [
                (
                    "[decode-0]",
                    "found the fault kill at 6s for 'decode-0', which has notice that it will be down from 11s until 12s, expected the key 'restart', "
                        + "for it cannot be gone for good and back: \(file(8, 12))"
                )
            ])
        // What ends as the other begins does not overlap, nor do a fault of the process before and one of the process after.
        expectEvents("{at: 1s, kill: decode-0, restart: 1s}, {at: 2s, hang: decode-0, for: 1s}, {at: 3s, hang: decode-0, for: 1s}", [])
        expectEvents("{at: 1s, hang: decode-0, for: 1h}, {at: 2s, kill: decode-0, restart: 1s}, {at: 4s, hang: decode-0, for: 1s}", [])
    }

    @Test("not where they overlap and what they come to is plain")
    func overlaps() {
        for events in [
            // Links and machines have faults beside those of processes.
            "{at: 1s, link: decode-0, latency: 1ms, for: 10s}, {at: 2s, slow: decode-0, factor: 2, for: 1s}, {at: 3s, hang: decode-0, for: 1s}",
            "{at: 1s, kill: decode-0}, {at: 2s, partition: decode-0, for: 1s}, {at: 2s, link: decode-0, to: client, latency: 1ms, for: 1s}",
            "{at: 1s, kill: decode-0, restart: 5s}, {at: 2s, slow: decode-0, factor: 2, for: 10s}",
            // The slowest counts, and the last that goes on.
            "{at: 1s, slow: decode-0, factor: 2, for: 10s}, {at: 2s, slow: [decode-0, decode-1], factor: 3, for: 1s}",
            "{at: 1s, hang: decode-0, for: 2s}, {at: 2s, hang: host-0, for: 5s}, {at: 2s, slow: host-0, factor: 2, for: 5s}",
            // A host or a rack fails, some of whose nodes are down or have notice.
            "{at: 1s, kill: decode-0}, {at: 2h, kill: host-0}", "{at: 1s, kill: decode-0, restart: 10s}, {at: 2s, preempt: rack-0, grace: 1s}",
            "{at: 1s, preempt: decode-0, grace: 10s}, {at: 2s, preempt: host-0, grace: 1s, restart: 30s}",
            // An instance is lost before its time.
            "{at: 1s, preempt: decode-0, grace: 30s, restart: 1min}, {at: 6s, kill: decode-0, restart: 85s}",
            "{at: 1s, preempt: decode-0, grace: 30s}, {at: 6s, kill: decode-0}",
        ] {
            expectEvents(events, [])
        }
        // A worker over several hosts loses one after the other, none of them twice.
        let wide = FaultTests.cluster(
            "events: [{at: 1s, preempt: host-0, grace: 5s, restart: 60s}, {at: 2s, preempt: host-1, grace: 5s, restart: 90s}, "
                + "{at: 10s, kill: host-1, restart: 1s}]"
        ).replacing("count: 2}", with: "count: 2, tp: 8}")
        expect(wide, [("host-1, restart: 1s", "found the fault kill at 10s for 'prefill-0', which is down from 7s until 97s")])
    }

    @Test("of a controller that is down, unless a standby has taken over")
    func standby() {
        let twice = "{at: 1s, kill: controller}, {at: 3s, kill: [controller]}"
        expectEvents(twice, [("[controller]", "found the fault kill at 3s for 'controller', which is down from 1s for good")])
        expectEvents(twice, [], more: "recovery: {standby: true}")
        expectEvents(twice, [("[controller]", "found the fault kill")], more: "recovery: {standby: true, timeout: 3s}")
        let noticed = "{at: 1s, preempt: controller, grace: 2s}, {at: 4s, kill: [controller]}"
        expectEvents(noticed, [("[controller]", "found the fault kill at 4s for 'controller', which is down from 3s for good")])
        expectEvents(noticed, [], more: "recovery: {standby: true, timeout: 3s}")
        // The earlier of the two counts.
        expectEvents("{at: 1s, kill: controller, restart: 1s}, {at: 3s, kill: [controller]}", [], more: "recovery: {standby: true, timeout: 3s}")
    }

    @Test("at random of a role that no node has, and with distributions that are none")
    func random() {
        expectFaults(
            "random: [{kill: expert, mtbf: 60s}, {kill: nothing, mtbf: 0s}]",
            [("nothing", "unknown role 'nothing', expected one of client, controller"), ("0s}]", "found '0s', expected a time from 1us")])
        expectFaults(
            "random: [{kill: expert, mtbf: 60s}, {partition: decode, mtbf: 1h, from: [host-1], for: 1s}]",
            [
                ("expert", "found the role expert, which no node has, expected one of client, controller, prefill, decode"),
                ("host-1]", "found the node 'decode-2' twice, expected it once: it stands before this in 'decode'"),
            ])
        expectFaults(
            "random: [{kill: decode, mtbf: 60s, distribution: {weibull: 0.01}}, {kill: decode, mtbf: 60s, distribution: {weibull: 21}}, "
                + "{kill: decode, distribution: normal}]",
            [
                ("0.01", "found '0.01', expected a number from 0.1 to 20"), ("21}", "found '21', expected a number from 0.1 to 20"),
                ("normal", "found 'normal', expected exponential or a mapping with one key of weibull"),
                ("{kill: decode, distribution", "found no key 'mtbf' in a fault of the kind kill"),
            ])
    }

    @Test("with a recovery that cannot be")
    func recovery() {
        expectFaults(
            "", [("0s, timeout", "found '0s', expected a time from 1us"), ("-1}", "found '-1', expected a number of retries from 0 to 1000")],
            more: "recovery: {heartbeat: 0s, timeout: 1s, retries: -1}")
        expectFaults(
            "", [("5ms", "found a timeout of 5ms with a heartbeat every 10ms, expected no less")], more: "recovery: {heartbeat: 10ms, timeout: 5ms}")
        expectFaults(
            "",
            [
                ("tape", "unknown tier 'tape', expected one of memory, ssd, remote"), ("1GB,", "found '1GB' with the unknown unit 'GB'"),
                ("Re", "unknown policy 'Re', expected one of recompute, token-migration, kv-replica"),
            ], more: "recovery: {policy: Re, start-up: {bandwidth: 1GB, tier: tape}}")
    }

    @Test("in a file of their own at the places of that file")
    func file() throws {
        let topology = FaultTests.cluster("events: [{at: 1s, kill: nobody}]")
        let folder = try FaultTests.folder([
            "topology.yaml": topology, "unknown.yaml": "# One.\nevents:\n- {at: 1s, kill: decode-7}\nrecovery: {retries: x}\n",
            "empty.yaml": "# None.\n",
            "list.yaml": "[1]\n", "nested.yaml": "faults: {}\n", "broken.yaml": "events: [\n",
        ])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func mistakes(_ file: String) -> [String] {
            guard case .failure(let found) = TopologyReader.read(path: folder + "/topology.yaml", faults: folder + "/" + file) else { return [] }
            return found.list.map { "\($0)".replacing(folder + "/", with: "") }
        }
        #expect(mistakes("unknown.yaml") == ["unknown.yaml:4:21: found 'x', expected a number of retries from 0 to 1000"])
        #expect(
            mistakes("empty.yaml") == ["empty.yaml:1:1: found an empty file, expected faults as a mapping with the keys events, random, until, trace"]
        )
        #expect(mistakes("list.yaml").first?.hasPrefix("list.yaml:1:1: found a list, expected faults as a mapping") == true)
        #expect(mistakes("nested.yaml") == ["nested.yaml:1:1: unknown key 'faults' in faults, expected one of events, random, until, trace"])
        #expect(mistakes("broken.yaml").first?.hasPrefix("broken.yaml:") == true)
        #expect(mistakes("missing.yaml").first?.hasPrefix("missing.yaml:1:1: cannot be opened") == true)
    }

    @Test("in a trace at its lines")
    func trace() throws {
        func mistakes(_ rows: String) throws -> [String] {
            let text = FaultTests.cluster("trace: trace.csv")
            let folder = try FaultTests.folder(["topology.yaml": text, "trace.csv": "time_s,node,event\n" + rows])
            defer { try? FileManager.default.removeItem(atPath: folder) }
            guard case .failure(let found) = TopologyReader.read(path: folder + "/topology.yaml") else { return [] }
            return found.list.map { "\($0)".replacing(folder + "/trace.csv:", with: "") }
        }
        let fields = "0,decode-0,down\n-1,decode-0,down\n1e3,decode-0,down\n5m,decode-0,down\n5,decode-0,away\n4,decode-0,down\n6,,down\n"
        #expect(
            try mistakes(fields).map { String($0.prefix { $0 != " " }) } == ["2:1:", "3:1:", "4:1:", "5:1:", "6:12:", "7:1:", "8:3:"])
        #expect(
            try mistakes("1,decode-0,up\n1,decode-1,down\n2,decode-1,down\n2,decode-1,notice\n3,decode-2,notice\n3,decode-2,up\n3,decode-2,down\n")
                == [
                    "2:12: found 'up', expected down or notice: the node is up", "4:12: found 'down', expected up: the node is down",
                    "5:12: found 'notice', expected no notice: the node is down, or has one",
                    "7:12: found 'up', expected down or notice: the node is up", "8:1: found '3', expected a time after that of the notice",
                ])
        #expect(try mistakes("1,decode-0,notice\n") == ["2:1: found a notice to 'decode-0' and no 'down' after it, expected one"])
        #expect(try mistakes("1,decode-0,down\n2,decode-9,down\n")[0].hasPrefix("3:1: found no node 'decode-9', expected one of client"))
        #expect(
            try mistakes("1,decode-0,down\n1,decode-1,down\n1,prefill-0,down\n1,prefill-1,down\n2,host-0,down\n")[0].hasPrefix(
                "6:1: found the fault kill at 2s for 'prefill-0', which is down from 1s for good"))
        #expect(try mistakes("1,decode-0,down\n2,host-0,down\n") == [])
        #expect(try mistakes("99999999999999999999,decode-0,down\n").count == 1)
    }

    @Test("not, but warned of, when they end the last worker of a role or the controller for good")
    func warnings() throws {
        func warnings(_ events: String, more: String = "") throws -> [String] {
            let text = FaultTests.cluster("events:\n" + events, more: more)
            return try TopologyReader.read(Array(text.utf8), path: "t.yaml").get().warnings.map { "\($0)" }
        }
        let end = "requests that need it will be rejected or fail, unless the fault has the key 'restart'"
        #expect(try warnings("- {at: 1s, kill: prefill-0}\n- {at: 2s, kill: [decode-0, decode-1, decode-2]}") == [])
        #expect(
            try warnings("- {at: 1s, preempt: prefill-0, grace: 5s}\n- {at: 1s, kill: prefill-1}\n- {at: 2s, kill: controller}") == [
                "t.yaml:10:20: the last prefill worker is gone for good from 1s on: \(end)",
                "t.yaml:11:20: the controller is gone for good from 2s on, and no standby takes over: \(end)",
            ])
        #expect(try warnings("- {at: 2s, kill: controller}", more: "recovery: {standby: true}") == [])
        #expect(try warnings("- {at: 2s, kill: host-0}\n- {at: 2s, kill: host-1}").count == 2)
        #expect(try warnings("- {at: 2s, kill: [prefill-0, prefill-1, client], restart: 1s}\n- {at: 9s, kill: client}") == [])
    }
}
