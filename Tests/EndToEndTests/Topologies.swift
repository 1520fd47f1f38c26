import Foundation

/// The path of a topology that comes with the program.
func bundled(_ name: String) -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    return root.path + "/Topologies/\(name).yaml"
}

/// A small cluster of two prefill and two decode workers that serves so many requests.
func smallTopology(requests: Int, rate: Int = 200, extra: String = "") -> String {
    """
    model: llama-3.1-8b
    defaults: {device: h100-sxm}
    pools:
      prefill: {role: prefill, count: 2}
      decode: {role: decode, count: 2}
    workload:
      arrivals: {poisson: \(rate)/s}
      prompt-tokens: {uniform: [100, 800]}
      output-tokens: {uniform: [1, 20]}
      requests: \(requests)
    \(extra)

    """
}

/// Nodes of `smallTopology`: client, controller and workers.
let smallNodes = 6
