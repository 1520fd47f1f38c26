import Cluster

/// A cluster as the tasks of one Slurm allocation: a task for the client and the controller, and one for each host of the topology, or for each pack.
///
/// A task is a steward (`testbed join`) with the nodes of its host. The launcher is where the tasks are started from: on a login host or in a batch script.
public struct SlurmTasks: Sendable {
    private let name: String
    /// Names of each task's nodes.
    public let tasks: [[String]]

    public init(_ plan: ClusterPlan) {
        name = plan.name
        let layout = ClusterLayout(plan)
        var tasks: [[String]] = []
        if let pack = plan.hosts.pack {
            let packs = layout.packs(of: pack).map { $0.nodes.map(\.name) }
            self.tasks = [Array(packs.prefix(2).joined())] + packs.dropFirst(2)
            return
        }
        var last: Int?
        for node in layout.nodes {
            if node.host == last { tasks[tasks.count - 1].append(node.name) } else { tasks.append([node.name]) }
            last = node.host
        }
        self.tasks = tasks
    }

    /// What Slurm calls the job: nothing of the plan's name that could be more than a word.
    public var jobName: String {
        let letters = name.unicodeScalars.filter { scalar in
            scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil || "._-".unicodeScalars.contains(scalar))
        }
        let word = String(String.UnicodeScalarView(letters)).drop { $0 == "-" || $0 == "." }.prefix(64)
        return word.isEmpty ? "testbed" : String(word)
    }

    /// What `srun` is called with.
    /// - Parameters:
    ///   - launcher: where the launcher listens, as the tasks' hosts reach it.
    ///   - keys: the folder of keys, which those hosts see.
    public func command(executable: String, launcher: String, keys: String) -> [String] {
        [
            "srun", "--job-name=\(jobName)", "--ntasks=\(tasks.count)", "--overcommit", "--no-kill", "--kill-on-bad-exit=0", "--wait=0",
            "--input=none",
            "--label", "sh", "-c", script(executable: executable, launcher: launcher, keys: keys),
        ]
    }

    /// What each task runs: it takes its share by its number.
    private func script(executable: String, launcher: String, keys: String) -> String {
        let shares = tasks.enumerated().map { "\($0)) set -- \($1.map(Self.quoted).joined(separator: " ")) ;;" }
        return """
            case $SLURM_PROCID in
            \(shares.joined(separator: "\n"))
            esac
            exec \(Self.quoted(executable)) join "$@" --launcher \(Self.quoted(launcher)) --keys \(Self.quoted(keys)) --bind 0.0.0.0
            """
    }

    /// A batch script.
    /// - Parameter topology: what the program is to run.
    public func batch(topology: String) -> String {
        """
        #!/bin/bash
        # \(jobName): \(tasks.joined().count) nodes in \(tasks.count) tasks, by the topology's hosts. Made by 'testbed export slurm'.
        #
        #     sbatch run.sbatch      in this folder, which all hosts see; --nodes and the like say where
        #
        # TESTBED is the program on these hosts. The records come to lie in results-JOB; the keys are made for the run, and removed.
        #SBATCH --job-name=\(jobName)
        #SBATCH --ntasks=\(tasks.count)
        #SBATCH --overcommit
        #SBATCH --no-kill
        #SBATCH --no-requeue
        #SBATCH --output=slurm-%j.log
        umask 077
        cd "${SLURM_SUBMIT_DIR:-.}" || exit 1
        # In place of the shell, so that it is told when the job is to end.
        exec "${TESTBED:-testbed}" up \(Self.quoted(topology)) --on slurm --out "results-${SLURM_JOB_ID:-0}" --quiet

        """
    }

    /// A word of the shell.
    static func quoted(_ word: String) -> String {
        var result = "'"
        for character in word.unicodeScalars {
            if character == "'" { result += "'\\''" } else { result.unicodeScalars.append(character) }
        }
        return result + "'"
    }
}
