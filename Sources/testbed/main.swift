import CSystem
import Glibc

testbed_keep_memory()
exit(Program.main(Array(Swift.CommandLine.arguments.dropFirst())))
