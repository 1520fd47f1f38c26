"""Routing: the worker with the fewest requests, the first of those that tie. Scheduling: first come, first served.

A copy of join-shortest-queue and fcfs, so that its runs have the records of these to the byte: a start for something better.
"""

from testbed_policy import serve


def load(worker):
    """Requests at a worker or on their way to it, as far as the controller can tell."""
    return worker.waiting_requests + worker.running_requests + worker.unseen_requests


def route(request, workers):
    # A field of a message costs a call: each is looked at once.
    loads = [load(worker) for worker in workers]
    return loads.index(min(loads))


def admit(waiting, engine):
    return range(min(len(waiting), max(0, engine.max_batch - len(engine.running))))


if __name__ == "__main__":
    serve(route=route, admit=admit)
