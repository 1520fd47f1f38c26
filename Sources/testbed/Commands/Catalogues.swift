import CommandLine
import Models
import Policies
import Quantities
import Records
import Terminal
import TopologyFile

/// The verbs that list what a topology can name.
enum Catalogues {
    /// One entry: its name, the cells of its row, and its members in JSON.
    private struct Item {
        var name: String
        var cells: [String]
        var members: [JSONValue.Member]
    }

    static func policies(_ command: ParsedCommand) -> Int32 {
        let families = [
            (PolicyFamily.routing, RoutingRegistry.descriptions + [ExternalProgram.description]), (.admission, AdmissionRegistry.descriptions),
            (.scheduling, SchedulingRegistry.descriptions + [ExternalProgram.description]),
            (.migration, MigrationRegistry.descriptions), (.recovery, RecoveryRegistry.descriptions),
            (.balance, BalanceRegistry.descriptions), (.predictor, PredictorRegistry.descriptions),
            (.preemption, PreemptionRegistry.descriptions), (.scaling, ScalingRegistry.descriptions),
        ]
        let items = families.flatMap { family, descriptions in descriptions.map { item(family, $0) } }
        return print(items, headings: ["family", "policy", "what it does", "parameters", "source"], command)
    }

    private static func item(_ family: PolicyFamily, _ policy: PolicyDescription) -> Item {
        if policy.name == ExternalProgram.policyName { return program(family, policy) }
        let parameters = policy.parameters.map { parameter -> JSONValue in
            [
                "name": .string(parameter.name), "unit": .string(parameter.unit), "default": .number(parameter.defaultValue),
                "minimum": .number(parameter.range.lowerBound), "maximum": .number(parameter.range.upperBound),
                "summary": .string(parameter.summary),
            ]
        }
        let short = policy.parameters.map { "\($0.name)=\(Figures.number($0.defaultValue))" }.joined(separator: " ")
        let names = ([policy.name] + policy.aliases).joined(separator: ", ")
        return Item(
            name: policy.name, cells: [family.rawValue, names, policy.summary, short, policy.source],
            members: [
                .init("family", .string(family.rawValue)), .init("aliases", .array(policy.aliases.map(JSONValue.string))),
                .init("summary", .string(policy.summary)), .init("source", .string(policy.source)), .init("parameters", .array(parameters)),
                .init("needs_prediction", .bool(policy.needsPrediction)),
                .init(
                    "guarantees",
                    .array(
                        policy.guarantees.map {
                            ["claim": .string($0.text), "conditions": .array($0.conditions.map { .string($0.rawValue) })]
                        })),
            ])
    }

    /// A program outside: what is said of it is text.
    private static func program(_ family: PolicyFamily, _ policy: PolicyDescription) -> Item {
        let parameters = ExternalProgram.settings.map { setting -> JSONValue in
            ["name": .string(setting.name), "default": setting.value.isEmpty ? .null : .string(setting.value), "summary": .string(setting.summary)]
        }
        let short = ExternalProgram.settings.map { $0.name + ($0.value.isEmpty || $0.value.contains(" ") ? "" : "=" + $0.value) }
        return Item(
            name: policy.name, cells: [family.rawValue, policy.name, policy.summary, short.joined(separator: " "), policy.source],
            members: [
                .init("family", .string(family.rawValue)), .init("aliases", .array([])), .init("summary", .string(policy.summary)),
                .init("source", .string(policy.source)), .init("parameters", .array(parameters)), .init("needs_prediction", .bool(false)),
                .init("guarantees", .array([])),
            ])
    }

    static func models(_ command: ParsedCommand) -> Int32 {
        let items = ModelCatalog.all.map { model in
            Item(
                name: model.name,
                cells: [
                    model.name, billions(model.parameterCount), billions(model.activeParameterCount), "\(model.layers)", "\(model.hidden)",
                    Figures.bytes(model.cacheBytesPerToken), Figures.bytes(model.weightBytes), model.source,
                ],
                members: [
                    .init("parameters", .integer(model.parameterCount)), .init("active_parameters", .integer(model.activeParameterCount)),
                    .init("layers", .integer(Int64(model.layers))), .init("hidden", .integer(Int64(model.hidden))),
                    .init("cache_bytes_per_token", .integer(model.cacheBytesPerToken)), .init("weight_bytes", .integer(model.weightBytes)),
                    .init("context_limit", .integer(Int64(model.contextLimit))), .init("source", .string(model.source)),
                ])
        }
        return print(items, headings: ["model", "parameters", "active", "layers", "hidden", "cache/token", "weights", "source"], command)
    }

    private static func billions(_ count: Int64) -> String { Figures.fixed(Double(count) / 1e9, decimals: 1) + " B" }

    static func devices(_ command: ParsedCommand) -> Int32 {
        let items = DeviceCatalog.all.map { device in
            Item(
                name: device.name,
                cells: [
                    device.name, "\(Figures.number(device.flops16 / 1e12)) TFLOP/s", Figures.bytes(device.memory),
                    "\(Figures.bytes(device.memoryBandwidth))/s", "\(Figures.bytes(device.scaleUpBandwidth))/s",
                    "\(Figures.bytes(device.nicBandwidth))/s", "\(Figures.number(device.prefillPower)) W", device.source,
                ],
                members: [
                    .init("flops_16bit_per_s", .number(device.flops16)), .init("flops_8bit_per_s", .number(device.flops8)),
                    .init("memory_bytes", .integer(device.memory)), .init("memory_bytes_per_s", .integer(device.memoryBandwidth)),
                    .init("scale_up_bytes_per_s", .integer(device.scaleUpBandwidth)), .init("nic_bytes_per_s", .integer(device.nicBandwidth)),
                    .init("idle_w", .number(device.idlePower)), .init("prefill_w", .number(device.prefillPower)),
                    .init("decode_w", .number(device.decodePower)), .init("source", .string(device.source)),
                ])
        }
        return print(items, headings: ["device", "16-bit", "memory", "bandwidth", "scale-up", "network", "power", "source"], command)
    }

    static func topologies(_ command: ParsedCommand) -> Int32 {
        let items = TopologyLibrary.all.map { entry in
            Item(
                name: entry.name, cells: [entry.name, entry.summary],
                members: [.init("summary", .string(entry.summary)), .init("path", .string(entry.path))])
        }
        return print(items, headings: ["topology", "what it shows"], command)
    }

    private static func print(_ items: [Item], headings: [String], _ command: ParsedCommand) -> Int32 {
        if command.has("names") {
            StandardStream.output.write(items.map { $0.name + "\n" }.joined())
        } else if command.has("json") {
            let value = JSONValue.array(items.map { .object([.init("name", .string($0.name))] + $0.members) })
            StandardStream.output.write(value.text(.pretty) + "\n")
        } else {
            var table = TextTable(headings.map { TextTable.Column($0) })
            for item in items { table.add(item.cells) }
            let style = StandardStream.output.capabilities.style
            StandardStream.output.write(table.lines(style: style).map { $0 + "\n" }.joined())
        }
        return 0
    }
}
