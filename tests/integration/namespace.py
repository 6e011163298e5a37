# SPDX-License-Identifier: Apache-2.0
"""A network namespace for one tallyd, with addresses that the machine does not have. It listens
inside and forwards to the outside: a socket stays in the namespace in which it was created."""

import contextlib
import os
import socket
import sys
import threading

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "enter_namespace.py")
START_SECONDS = 30


class Namespace:
    """`forwards`: (address, port) inside → port of loopback outside."""

    def __init__(self, forwards):
        self._forwards = forwards
        self._listeners = []
        self._here, self._there = socket.socketpair()
        self._here.settimeout(START_SECONDS)

    def start(self, agent):
        """Starts an agent inside; it is the only process there, so the namespace ends with it."""
        places = [f"{address}:{port}" for address, port in self._forwards]
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        channel = self._there.fileno()
        agent.start(wrapper=["unshare", "--net", *user, sys.executable, PROGRAM, str(channel),
                             *places, "--"], pass_fds=[channel])
        _, fds, _, _ = socket.recv_fds(self._here, 1, len(places))
        self._listeners = [socket.socket(fileno=fd) for fd in fds]
        for listener, port in zip(self._listeners, self._forwards.values(), strict=True):
            run(accept, listener, port)
        return agent

    def stop(self):
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() does not
        self._here.close()
        self._there.close()


def run(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


def accept(listener, port):
    with listener, contextlib.suppress(OSError):
        while True:
            inside, _ = listener.accept()
            outside = socket.create_connection(("127.0.0.1", port))
            run(copy, inside, outside)
            run(copy, outside, inside)


def copy(source, sink):
    """Until one of the two ends; the last thread that uses them closes them."""
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
