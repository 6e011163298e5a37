#!/usr/bin/python3
"""Prints the count of a trigger: count.py TRIGGER. Needs msgpack (Debian: python3-msgpack)."""

import os
import socket
import sys
import time

import msgpack

SECONDS = 6.0  # for everything; the agent answers within 5


def tally(path, method, params):
    """Calls one method and returns its result."""
    deadline = time.monotonic() + SECONDS
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SECONDS)
        connection.connect(path)
        connection.sendall(msgpack.packb([0, 1, method, params]))
        answers = msgpack.Unpacker()
        while True:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            data = connection.recv(65536)
            if not data:
                raise ConnectionError("the agent closed the connection")
            answers.feed(data)
            for kind, *rest in answers:
                if kind == 1 and rest[0] == 1:
                    _, error, result = rest
                    if error is not None:
                        raise RuntimeError(f"{error['name']}: {error['message']}")
                    return result


try:
    agent = os.environ.get("TALLY_SOCKET", "/run/tally/tally.sock")
    print(tally(agent, "count", [{"trigger": sys.argv[1]}])["count"])
except (OSError, RuntimeError) as failure:
    sys.exit(f"{failure}")
