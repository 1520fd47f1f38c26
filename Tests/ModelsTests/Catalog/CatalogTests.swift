import Testing

@testable import Models

@Suite struct CatalogTests {
    @Test("every name and alias leads to one model or device with a source")
    func names() {
        #expect(Set(ModelCatalog.names).count == ModelCatalog.all.count)
        #expect(Set(DeviceCatalog.names).count == DeviceCatalog.all.count)
        for model in ModelCatalog.all {
            #expect(ModelCatalog.named(model.name) == model)
            #expect(!model.source.isEmpty)
        }
        for device in DeviceCatalog.all {
            #expect(DeviceCatalog.named(device.name) == device)
            #expect(!device.source.isEmpty)
        }
        for (alias, name) in ModelCatalog.aliases { #expect(ModelCatalog.named(alias)?.name == name) }
        for (alias, name) in DeviceCatalog.aliases { #expect(DeviceCatalog.named(alias)?.name == name) }
        #expect(ModelCatalog.named("gpt-9") == nil)
        #expect(DeviceCatalog.named("") == nil)
    }

    @Test("a device computes 35 to 430 operations for each byte that it reads, as published")
    func ridges() {
        // Published ridge points in two-byte tokens; A100 153, H100 295, H200 206, H20 37, B200 292, L40S 419, 910C 235.
        let published = [
            "a100-80g": 153.0, "h100-sxm": 295, "h200-sxm": 206, "h20": 37, "b200": 292, "l40s": 419, "ascend-910c": 235,
        ]
        for device in DeviceCatalog.all {
            guard let ridge = published[device.name] else { continue }
            #expect(abs(device.flops16 / Double(device.memoryBandwidth) - ridge) < 1)
        }
    }
}
