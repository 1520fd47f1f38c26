import CPerfettoTrace

/// What a track shows.
enum DescribedTrack {
    case process(node: TimelineNode)
    case thread(node: TimelineNode)
    case counter(CounterTrack)
    case lane(LaneKind, Int)
}

/// Memory for messages that are packed once and point at each other; all of it goes at once.
final class MessageMemory {
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit {
        for block in blocks { block.deallocate() }
    }

    /// A message, as its generated initialiser leaves it.
    func one<Message>(_ blank: Message, _ initialise: (UnsafeMutablePointer<Message>) -> Void) -> UnsafeMutablePointer<Message> {
        let pointer = UnsafeMutablePointer<Message>.allocate(capacity: 1)
        pointer.initialize(to: blank)
        blocks.append(pointer)
        initialise(pointer)
        return pointer
    }

    private func text(_ text: String) -> UnsafeMutablePointer<CChar> {
        let bytes = text.utf8CString
        let pointer = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        blocks.append(pointer)
        for (index, byte) in bytes.enumerated() { pointer[index] = byte }
        return pointer
    }

    private func list<Message>(_ messages: [UnsafeMutablePointer<Message>]) -> UnsafeMutablePointer<UnsafeMutablePointer<Message>?> {
        let pointer = UnsafeMutablePointer<UnsafeMutablePointer<Message>?>.allocate(capacity: messages.count)
        blocks.append(pointer)
        for (index, message) in messages.enumerated() { (pointer + index).initialize(to: message) }
        return pointer
    }

    /// The description of a track.
    func descriptor(of kind: DescribedTrack, track: UInt64, parent: UInt64?) -> UnsafeMutablePointer<TrackDescriptor> {
        let descriptor = one(TrackDescriptor(), perfetto__protos__track_descriptor__init)
        descriptor.pointee.has_uuid = 1
        descriptor.pointee.uuid = track
        if let parent {
            descriptor.pointee.has_parent_uuid = 1
            descriptor.pointee.parent_uuid = parent
        }
        switch kind {
        case .process(let node):
            let process = one(Perfetto__Protos__ProcessDescriptor(), perfetto__protos__process_descriptor__init)
            process.pointee.has_pid = 1
            process.pointee.pid = Self.processID(node.host)
            process.pointee.process_name = text(node.hostName ?? "host \(node.host)")
            descriptor.pointee.process = process
        case .thread(let node):
            let thread = one(Perfetto__Protos__ThreadDescriptor(), perfetto__protos__thread_descriptor__init)
            thread.pointee.has_pid = 1
            thread.pointee.pid = Self.processID(node.host)
            thread.pointee.has_tid = 1
            thread.pointee.tid = Self.threadID(node.index)
            thread.pointee.thread_name = text(node.name)
            descriptor.pointee.thread = thread
        case .counter(let counter):
            let unit = one(Perfetto__Protos__CounterDescriptor(), perfetto__protos__counter_descriptor__init)
            unit.pointee.has_unit = 1
            // A count.
            unit.pointee.unit = 2
            descriptor.pointee.name = text(counter.name)
            descriptor.pointee.counter = unit
        case .lane(let kind, let lane):
            descriptor.pointee.name = text(lane == 0 ? kind.name : "\(kind.name) \(lane + 1)")
            descriptor.pointee.has_sibling_order_rank = 1
            descriptor.pointee.sibling_order_rank = Int32(clamping: lane)
        }
        return descriptor
    }

    /// Hosts and nodes are no processes of the machine that shows them, but need numbers. The two ranges are apart, because a thread
    /// with its process's number is taken for its main thread.
    private static func processID(_ host: Int) -> Int32 { Int32(clamping: host + 1) }
    private static func threadID(_ node: Int) -> Int32 { Int32(clamping: node + TimelineNode.indexLimit + 1) }

    /// Every name that an event can refer to.
    func internedData() -> UnsafeMutablePointer<Perfetto__Protos__InternedData> {
        let data = one(Perfetto__Protos__InternedData(), perfetto__protos__interned_data__init)
        let categories = InternedCategory.allCases.map { category in
            let message = one(Perfetto__Protos__EventCategory(), perfetto__protos__event_category__init)
            message.pointee.has_iid = 1
            message.pointee.iid = category.rawValue
            message.pointee.name = text(category.text)
            return message
        }
        let names = InternedName.allCases.map { name in
            let message = one(Perfetto__Protos__EventName(), perfetto__protos__event_name__init)
            message.pointee.has_iid = 1
            message.pointee.iid = name.rawValue
            message.pointee.name = text(name.text)
            return message
        }
        let annotations = InternedAnnotation.allCases.map { annotation in
            let message = one(Perfetto__Protos__DebugAnnotationName(), perfetto__protos__debug_annotation_name__init)
            message.pointee.has_iid = 1
            message.pointee.iid = annotation.rawValue
            message.pointee.name = text(annotation.text)
            return message
        }
        data.pointee.n_event_categories = categories.count
        data.pointee.event_categories = list(categories)
        data.pointee.n_event_names = names.count
        data.pointee.event_names = list(names)
        data.pointee.n_debug_annotation_names = annotations.count
        data.pointee.debug_annotation_names = list(annotations)
        return data
    }
}
