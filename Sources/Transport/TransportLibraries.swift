import CProtobufC
import CZMQ

/// The versions of the libraries under the transport.
public enum TransportLibraries {
    /// libzmq and protobuf-c as linked, which may be newer than those that were built against.
    public static var versions: [(name: String, version: String)] {
        var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
        zmq_version(&major, &minor, &patch)
        return [("libzmq", "\(major).\(minor).\(patch)"), ("protobuf-c", String(cString: protobuf_c_version()))]
    }
}
