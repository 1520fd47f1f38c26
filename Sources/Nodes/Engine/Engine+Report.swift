import Policies
import Quantities

extension Engine {
    /// Adds to a load report what its requests hold and, where a predictor says so, when they end.
    ///
    /// Bounded in size whatever the batch: requests are told apart by the doubling that what they have left falls into.
    func addContexts(to load: inout LoadReport, predicts: Bool) {
        let predicts = predicts && predictor.isPresent
        if predicts {
            load.endingRequests = Array(repeating: 0, count: LoadReport.endingClasses)
            load.endingTokens = Array(repeating: 0, count: LoadReport.endingClasses)
        }
        load.headBlocks = waiting.isEmpty ? 0 : pool.blocks(for: Int64(requests[waiting[0].slot].total))
        load.urgentRequests = Int32(clamping: running.count { requests[$0].request.priority < 0 })
        for entry in requests.entries {
            switch entry.phase {
            case .none, .parked, .leaving, .held: continue
            case .waiting, .running, .placed, .pulling: break
            }
            let tokens = Int64(entry.total)
            load.contextTokens += tokens
            guard predicts else { continue }
            let left = max(1, prediction(of: entry).expected - entry.generated)
            load.predictedTokens += Int64(left)
            let ending = min(31 - left.leadingZeroBitCount, LoadReport.endingClasses - 1)
            load.endingRequests[ending] += 1
            load.endingTokens[ending] += tokens
        }
    }
}
