// swift-tools-version: 6.0
import PackageDescription

/// Targets in the order of the one direction of imports: the pure core first, the shell after it.
/// `scripts/tidy` fails on an import that points upward. See Sources/README.md for the map.
/// The dynamic check that no two accesses to a variable overlap costs a tenth of an emulation's time; what it would find, the
/// debug build that runs the tests does find.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

func core(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict, linkerSettings: [.linkedLibrary("m")])
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func library(_ name: String, _ pkgConfig: String?, _ package: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([package])])
}

let package = Package(
    name: "testbed",
    products: [.executable(name: "testbed", targets: ["testbed"])],
    targets: [
        // System libraries
        library("CZMQ", nil, "libzmq3-dev"),
        library("CProtobufC", "libprotobuf-c", "libprotobuf-c-dev"),
        library("CYAML", "yaml-0.1", "libyaml-dev"),
        library("CJansson", "jansson", "libjansson-dev"),
        library("CZlib", "zlib", "zlib1g-dev"),
        library("CXXHash", "libxxhash", "libxxhash-dev"),
        // Without its pkg-config file, which would link BLAS and LAPACK once more; the library brings what it needs.
        library("CClp", nil, "coinor-libclp-dev"),
        library("CCbc", nil, "coinor-libcbc-dev"),
        // C of our own: generated wire format, and shims for macros, variadics and exceptions
        .target(name: "CWire", dependencies: ["CProtobufC"]),
        .target(name: "CPerfettoTrace", dependencies: ["CProtobufC"]),
        .target(name: "CSystem"),
        .target(name: "CSolver", dependencies: ["CClp", "CCbc"]),
        // Hints to processor and memory, as inline functions

        // Pure core: no I/O, no clock, no host randomness
        core("Quantities"),
        core("Models", ["Quantities"], exclude: ["README.md"]),
        core("Policies", ["Quantities", "Models"]),
        core("Workload", ["Quantities"]),
        core("Cluster", ["Quantities", "Models", "Policies", "Workload"]),
        core("Records", ["Quantities", "Cluster"]),
        core("Bounds", ["Quantities", "Models", "Policies", "Workload", "Cluster", "CClp", "CCbc", "CSolver"]),
        core("Auditing", ["Quantities", "Policies", "Workload", "Bounds"]),
        core("Planning", ["Quantities", "Models", "Policies", "Workload", "Cluster", "Bounds"]),
        core("Nodes", ["Quantities", "Models", "Policies", "Workload", "Cluster", "Records", "Bounds"]),
        core("Time", ["Quantities", "Policies", "Cluster", "Records", "Nodes"]),

        // Shell: files, sockets, processes, terminal
        core("TraceFiles", ["Quantities", "Workload", "CZlib", "CJansson"]),
        core("TopologyFile", ["Quantities", "Models", "Policies", "Workload", "Cluster", "TraceFiles", "CYAML", "CSystem"]),
        core(
            "Transport",
            [
                "Quantities", "Models", "Policies", "Workload", "Cluster", "Records", "Nodes", "Time", "CWire", "CProtobufC", "CZMQ", "CSystem",
            ]),
        core("Terminal", ["Quantities", "CSystem"]),
        core("Reports", ["Quantities", "Cluster", "Records", "Terminal", "CPerfettoTrace"]),
        core("Comparison", ["Quantities", "Records", "Terminal"]),
        core("Export", ["Cluster", "Quantities"]),
        core("CommandLine", ["Quantities", "Terminal"]),
        core(
            "Launch",
            [
                "Quantities", "Models", "Policies", "Workload", "Cluster", "Records", "Nodes", "Time", "Transport", "TopologyFile", "TraceFiles",
                "Reports", "CXXHash", "CJansson", "CSystem",
            ]),
        .executableTarget(
            name: "testbed",
            dependencies: [
                "Launch", "Transport", "TopologyFile", "TraceFiles", "Reports", "Comparison", "Export", "Planning", "Auditing", "Bounds", "Records",
                "Terminal", "CSystem",
                "CommandLine",
                "Cluster",
                "Models", "Policies", "Workload", "Quantities",
            ],
            swiftSettings: strict),
        // What scripts/bench runs; not installed
        .executableTarget(
            name: "testbed-bench",
            dependencies: [
                "Launch", "Transport", "TopologyFile", "Records", "Terminal", "Cluster", "Models", "Nodes", "Policies", "Time", "Workload",
                "Quantities", "CZMQ",
                "CSystem",
            ],
            swiftSettings: strict),

        // Tests mirror the sources
        .target(
            name: "TestKit", dependencies: ["Quantities", "Models", "Policies", "Workload", "Cluster", "Records", "Nodes", "Time"],
            path: "Tests/TestKit", swiftSettings: strict),
        tests("QuantitiesTests", ["Quantities"]),
        tests("ModelsTests", ["Quantities", "Models"]),
        tests("PoliciesTests", ["Quantities", "Policies"]),
        tests("WorkloadTests", ["Workload"]),
        tests("ClusterTests", ["Quantities", "Models", "Policies", "Cluster", "TestKit"]),
        tests("RecordsTests", ["Quantities", "Cluster", "Records", "TestKit"]),
        tests("BoundsTests", ["Quantities", "Models", "Policies", "Workload", "Cluster", "Records", "Bounds", "TestKit"]),
        tests("AuditingTests", ["Quantities", "Models", "Policies", "Workload", "Cluster", "Nodes", "Bounds", "Auditing", "TestKit"]),
        tests("PlanningTests", ["Quantities", "Models", "Policies", "Workload", "Cluster", "Records", "Planning", "TestKit"]),
        tests("NodesTests", ["Quantities", "Models", "Policies", "Workload", "Cluster", "Records", "Nodes", "Time", "TestKit"]),
        tests("TimeTests", ["Quantities", "Policies", "Workload", "Cluster", "Time", "Nodes", "Records", "TestKit"]),
        tests("TraceFilesTests", ["TraceFiles", "CZlib"]),
        tests("TopologyFileTests", ["Quantities", "Models", "Policies", "Workload", "Cluster", "TopologyFile", "TestKit"]),
        tests("TransportTests", ["Quantities", "Models", "Workload", "Cluster", "Nodes", "Time", "Transport", "CZMQ"]),
        tests("LaunchTests", ["Quantities", "Workload", "Cluster", "Records", "Transport", "Reports", "Launch", "TestKit", "CSystem"]),
        tests("ReportsTests", ["Quantities", "Records", "Reports", "Terminal", "CPerfettoTrace"]),
        tests("ComparisonTests", ["Quantities", "Terminal", "Comparison"]),
        tests("ExportTests", ["Cluster", "TopologyFile", "Transport", "Export"]),
        tests("CommandLineTests", ["CommandLine", "Terminal"]),
        tests("EndToEndTests", ["Policies", "Workload", "Cluster", "TopologyFile", "TestKit"]),
    ]
)
