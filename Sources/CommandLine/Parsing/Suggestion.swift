import Quantities

/// `, did you mean 'NAME'?`, or nothing when no candidate is near.
func didYouMean(_ word: String, among candidates: [String], prefix: String = "") -> String {
    nearest(word, among: candidates).map { ", did you mean '\(prefix)\($0)'?" } ?? ""
}

/// `a, b or c`.
func alternatives(_ words: [String]) -> String {
    guard let last = words.last, words.count > 1 else { return words.first ?? "nothing" }
    return words.dropLast().joined(separator: ", ") + " or " + last
}
