import CommandLine
import Testing

@Suite("A requirement")
struct RequirementTests {
    private let figures: [(path: String, value: Double?)] = [
        ("ttft_s.p99", 0.5), ("ttft_s.p50", 0.1), ("goodput.requests_per_s", nil), ("requests.done", 10),
    ]

    /// Whether 0.5 meets a bound of 0.6, of 0.5 and of 0.4.
    private static let truth = [
        ("<", [true, false, false]), ("<=", [true, true, false]), (">", [false, false, true]), (">=", [false, true, true]),
        ("==", [false, true, false]),
    ]

    @Test("every relation is judged below, at and above its bound", arguments: truth)
    func relations(_ sign: String, _ expected: [Bool]) throws {
        for (bound, holds) in zip(["0.6", "5e-1", "0.4"], expected) {
            let verdict = try Requirement("ttft_s.p99 \(sign) \(bound)").verdict(on: figures)
            #expect(verdict == (holds ? .holds(actual: 0.5) : .fails(actual: 0.5)), "\(sign) \(bound)")
        }
    }

    @Test("a wrong path is told from a figure that the run did not measure")
    func paths() throws {
        #expect(try Requirement("goodput.requests_per_s>=4").verdict(on: figures) == .noValue)
        #expect(try Requirement("ttft.p99<1").verdict(on: figures) == .unknownPath(nearest: "ttft_s.p99"))
        #expect(try Requirement("requests.doen>1").verdict(on: figures) == .unknownPath(nearest: "requests.done"))
        #expect(try Requirement("requests>1").verdict(on: figures) == .unknownPath(nearest: "requests.done"))
        #expect(try Requirement("p50<1").verdict(on: figures) == .unknownPath(nearest: "ttft_s.p50"))
        #expect(try Requirement("colour<1").verdict(on: figures) == .unknownPath(nearest: nil))
    }

    @Test(
        "what is no requirement is refused with what was expected",
        arguments: ["", "ttft", "<1", "a<", "a<b", "a=1", "a=<1", "a<<1", "a<0.5s", "a b<1", "a!=1", "a<nan", "a<1<2"])
    func malformed(_ text: String) {
        #expect(throws: UsageError.self) { try Requirement(text) }
        #expect(Requirement.problem(in: text)?.contains("expected") == true)
    }

    @Test("its text reads back as the same requirement")
    func roundTrip() throws {
        let requirement = Requirement(path: "a.b", relation: .atMost, bound: -1.5e-7)
        #expect(try Requirement(requirement.text) == requirement)
        #expect(Requirement.problem(in: requirement.text) == nil)
    }
}
