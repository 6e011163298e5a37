# SPDX-License-Identifier: Apache-2.0
"""A msgpack-RPC client of the agent that shares no code with it."""

import socket

import msgpack


class RpcError(Exception):
    """The error map that the agent answered."""

    def __init__(self, answer):
        super().__init__(f"{answer.get('name')}: {answer.get('message')}")
        self.answer = answer
        self.name = answer.get("name")


class Rpc:
    def __init__(self, path, seen=None, timeout=60):
        self._seen = seen if seen is not None else bytearray()
        self._unpacker = msgpack.Unpacker()
        self._next = 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, method, params=None):
        """Sends a request; returns its msgid."""
        self._next += 1
        self.socket.sendall(msgpack.packb([0, self._next, method,
                                           [] if params is None else [params]]))
        return self._next

    def receive(self):
        """The next message of any kind; None at the end of the connection."""
        while True:
            for message in self._unpacker:
                return message
            data = self.socket.recv(65536)
            if not data:
                return None
            self._seen += data
            self._unpacker.feed(data)

    def answer(self, msgid):
        """The result of the request, if it is the next one answered."""
        kind, its_id, error, result = self.receive()
        assert (kind, its_id) == (1, msgid)
        if error is not None:
            raise RpcError(error)
        return result

    def call(self, method, **params):
        return self.answer(self.send(method, params))
