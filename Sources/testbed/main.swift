import Glibc

exit(Program.main(Array(Swift.CommandLine.arguments.dropFirst())))
