import Cluster
import Export
import Glibc
import Launch
import Transport

/// `up --on docker`: nodes in containers of an engine on this host, which are there for one run.
enum DockerHosts {
    /// Which image the containers are of.
    private static var image: String { getenv("TESTBED_IMAGE").map { String(cString: $0) } ?? "testbed:latest" }

    /// Sees that the engine is there, that Compose is, and that the image holds this program. Throws `EngineError`.
    static func check() throws {
        func ask(_ command: [String]) throws -> (failure: String?, output: String) {
            do { return try outcome(of: command) } catch {
                throw EngineError("--on docker: found no command '\(command[0])' (\(error)), expected Docker")
            }
        }
        let engine = try ask(["docker", "version", "--format", "{{.Server.Version}}"])
        if engine.failure != nil { throw EngineError("--on docker: found no engine, expected one that answers: \(lastLine(engine.output))") }
        if try ask(["docker", "compose", "version"]).failure != nil, (try? outcome(of: ["docker-compose", "version"]).failure) != .some(nil) {
            throw EngineError("--on docker: found no Compose, expected 'docker compose' or 'docker-compose'")
        }
        let image = image
        guard try ask(["docker", "image", "inspect", image]).failure == nil else {
            throw EngineError("--on docker: found no image '\(image)', expected one made by: docker build -f Docker/Dockerfile -t \(image) .")
        }
        let version = try ask(["docker", "run", "--rm", "--network", "none", image, "version"])
        let first = version.output.split(separator: "\n").first ?? ""
        guard version.failure == nil, first == "testbed \(Version.text)" else {
            let found = version.failure == nil ? "'\(first)'" : lastLine(version.output)
            throw EngineError("--on docker: found \(found) in the image '\(image)', expected 'testbed \(Version.text)'")
        }
    }

    private static func lastLine(_ text: String) -> String { text.split(separator: "\n").last.map(String.init) ?? "no word of why" }

    /// Starts the containers.
    /// - Parameters:
    ///   - folder: the run's own, with `keys` in it, which is removed with the containers.
    ///   - launcher: where this process listens.
    static func start(_ plan: ClusterPlan, launcher: String, folder: String) throws -> HostStarter {
        guard let port = launcher.split(separator: ":").last.flatMap({ Int($0) }) else { throw SystemError("found no port in \(launcher)") }
        let file = ComposeFile(plan, launcher: .host(port: port))
        try RunFiles.write(file.text, to: folder + "/docker-compose.yml")
        let keys = folder + "/keys"
        if geteuid() == 0 { try KeyFolder.give(keys, to: 10_001) }
        let owner = try KeyFolder.owner(of: keys + "/client.key")
        let project = "testbed-\(getpid())-\(monotonicNow() % 1_000_000)"
        // An address that the user has named is where the containers look; else each looks at its own network's gateway.
        let host = launcher.dropFirst(6).prefix { $0 != ":" }
        let words = [folder, project, "\(owner.user):\(owner.group)", host == "0.0.0.0" ? "" : String(host)] + file.networkNames
        return try HostStarter(["sh", "-c", script, "sh"] + words, name: "the cluster's containers", readsEnd: true)
    }

    /// Brings the containers up, waits until its input ends or all of them have ended, and takes everything away, whatever happens to its parent.
    private static let script = #"""
        set -u
        folder=$1 project=$2 host=$4
        export TESTBED_USER="$3" TESTBED_PREFIX="$project-"
        shift 4
        exec 3<&0 </dev/null
        cd "$folder" || exit 1
        if docker compose version >/dev/null 2>&1; then set -- compose "$@"; else set -- docker-compose "$@"; fi
        compose=$1
        shift
        compose() {
            if [ "$compose" = compose ]; then docker compose --project-name "$project" "$@"
            else docker-compose --compatibility --project-name "$project" "$@"; fi
        }
        containers() { docker ps --all --quiet --filter "label=com.docker.compose.project=$project"; }
        down() {
            trap '' INT TERM HUP
            left=$(containers)
            # Also those that somebody has paused.
            [ -z "$left" ] || docker rm --force --volumes $left >/dev/null 2>&1
            for network; do
                # The engine may hold on to a removed container's networks for a moment, or for good: its end in them is taken away by name then.
                for pause in 0.2 0.5 1 2 4 8; do
                    docker network rm "$project-$network" >/dev/null 2>&1 && break
                    sleep $pause
                    for end in $(docker network inspect --format '{{range .Containers}}{{.Name}} {{end}}' "$project-$network" 2>/dev/null); do
                        docker network disconnect --force "$project-$network" "$end" >/dev/null 2>&1
                    done
                done
            done
            cd / && rm -rf "$folder"
        }
        trap 'down "$@"' EXIT
        trap 'exit 1' INT TERM HUP
        for network; do
            docker network create --internal --label "testbed.run=$project" "$project-$network" >log 2>&1 || { cat log; exit 1; }
            gateway=$(docker network inspect --format '{{(index .IPAM.Config 0).Gateway}}' "$project-$network") || exit 1
            export "TESTBED_GATEWAY_$(echo "$network" | tr - _)=${host:-$gateway}"
        done
        compose up --detach >log 2>&1 || { tail -n 20 log; exit 1; }
        docker wait $(containers) >codes 2>/dev/null &
        waiter=$!
        { read -r word <&3; kill "$waiter"; } 2>/dev/null &
        if wait "$waiter" && ! grep -q '^0$' codes; then compose logs --tail 2; fi
        """#
}
