import Comparison
import Testing

@Suite("Variations")
struct VariationTests {
    @Test("are split at commas that nothing encloses")
    func split() throws {
        let variation = try Variation("controller.routing=round-robin, {policy: bf-io, horizon: 20},[1,[2,3]],'a,b', it's")
        #expect(variation.path == "controller.routing")
        #expect(variation.values == ["round-robin", "{policy: bf-io, horizon: 20}", "[1,[2,3]]", "'a,b'", "it's"])
        #expect(try Variation("a.b=x=1,y").values == ["x=1", "y"])
    }

    @Test(
        "say what is wrong with them",
        arguments: [
            ("routing", "expected path.to.key"), ("=a,b", "expected path.to.key"), ("a=", "empty value"), ("a=b,", "empty value"),
            ("a=b,,c", "empty value"), ("a={b,c", "no '}' at the end"), ("a=b}", "'}'"), ("a=[b}", "'}'"), ("a='b", "no ''' at the end"),
            ("a=b,b", "'b' twice"),
        ])
    func mistakes(text: String, message: String) {
        #expect(Variation.problem(in: text)?.contains(message) == true, "\(Variation.problem(in: text) ?? "none")")
    }

    @Test("are crossed, the last one changing fastest")
    func cross() throws {
        let variations = [try Variation("a=1,2"), try Variation("b=x,y,z")]
        #expect(Variation.cross(variations) == [["1", "x"], ["1", "y"], ["1", "z"], ["2", "x"], ["2", "y"], ["2", "z"]])
        #expect(Variation.count(variations) == 6)
        #expect(Variation.cross([]) == [[]])
        #expect(Variation.count([]) == 1)
    }

    @Test("head columns by the last name of their paths, in full where that is ambiguous")
    func headings() throws {
        let variations = [try Variation("pools.a.count=1"), try Variation("pools.b.count=1"), try Variation("controller.routing=rr")]
        #expect(Variation.headings(variations) == ["pools.a.count", "pools.b.count", "routing"])
    }
}
