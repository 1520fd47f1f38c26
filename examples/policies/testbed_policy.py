"""The conversation between testbed and a policy in Python: `serve(route=..., admit=...)`.

It needs pyzmq and protobuf (on Debian: python3-zmq and python3-protobuf). What questions and answers hold stands in
Sources/CWire/policy.proto, from which policy_pb2.py is made by scripts/protos.
"""

import sys

import zmq

import policy_pb2 as wire


def serve(route=None, admit=None, begin=None, endpoint=None):
    """Answers questions until the program is ended.

    route(request, workers) gives the place in `workers` that a request goes to; admit(waiting, engine) the places in `waiting` of the requests
    that join the next iteration, in order. begin(begin) is called before the first question, and again when the node that asks begins anew: what
    is remembered of it is void then.
    """
    socket = zmq.Context.instance().socket(zmq.REP)
    socket.bind(endpoint or sys.argv[-1])
    while True:
        question = wire.Question.FromString(socket.recv())
        answer = wire.Answer(sequence=question.sequence)
        body = question.WhichOneof("body")
        if body == "begin":
            if begin:
                begin(question.begin)
            answer.begin.SetInParent()
        elif body == "route" and route:
            answer.route.worker = route(question.route.request, question.route.workers)
        elif body == "admit" and admit:
            answer.admit.waiting.extend(admit(question.admit.waiting, question.admit.engine))
            answer.admit.SetInParent()
        # What it does not know is answered without a body, and the fallback takes over.
        socket.send(answer.SerializeToString())
