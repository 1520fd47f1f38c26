/// The JSON schema of topology files, for editors.
public enum JSONSchema {
    /// The schema (draft-07), the same at every call: made from the table of keys that the reader uses.
    public static func text() -> String {
        let head: [(String, JSON)] = [
            ("$schema", .text("http://json-schema.org/draft-07/schema#")), ("title", .text("testbed topology")),
            ("description", .text("An emulated LLM-serving cluster and its experiment.")),
        ]
        let schema = TopologyGrammar.codec.schema
        return JSON.object(head).merging(schema).adding([("definitions", .object(schema.definitions))]).render() + "\n"
    }
}
