# SPDX-License-Identifier: Apache-2.0
"""A fake agent with answers from the test, for answers that the real one gives too seldom."""

import contextlib
import os
import socket
import threading

import msgpack

from tests.gateway.local import ROOT

VECTORS = os.path.join(ROOT, "proto", "vectors", "valid")


def vector(name):
    """The decoded message of proto/vectors/valid/NAME.hex."""
    with open(os.path.join(VECTORS, name + ".hex"), encoding="utf-8") as file:
        digits = "".join(line for line in file if not line.startswith("#"))
    return msgpack.unpackb(bytes.fromhex("".join(digits.split())))


def result(name):
    return vector(name)[3]


class Refusal(Exception):
    """Raised by a reply: the error map to answer."""

    def __init__(self, code, name, message, **more):
        super().__init__(message)
        self.map = {"code": code, "name": name, "message": message, "retryable": False, **more}


class FakeAgent:
    """Answers `replies[method](params)`; if that returns None, it closes the connection. `notifications`
    are sent after the answer to `watch`, and those of notify() later."""

    def __init__(self, path, notifications=(), **replies):
        self.path = path
        self.notifications = notifications
        self.replies = {"hello": lambda _: result("hello-answer"),
                        "ping": lambda _: result("ping-answer"), **replies}
        self.requests = []
        self.watchers = []  # connections that have sent `watch`
        self._open = []
        self._listener = socket.socket(socket.AF_UNIX)
        # Through the folder's descriptor, to bind paths of any length.
        folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
        try:
            self._listener.bind(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        finally:
            os.close(folder)
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        unpacker = msgpack.Unpacker()
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                unpacker.feed(data)
                for _, msgid, method, params in unpacker:
                    if not self._answer(connection, msgid, method, params):
                        connection.shutdown(socket.SHUT_RDWR)
                        return

    def _answer(self, connection, msgid, method, params):
        self.requests.append((method, params))
        error, answer = None, None
        try:
            reply = self.replies.get(method)
            if reply is None:
                raise Refusal(2, "UNKNOWN_METHOD", f"there is no method {method}")
            answer = reply(*params[:1] or [{}])
            if answer is None:
                return False
        except Refusal as refusal:
            error = refusal.map
        connection.sendall(msgpack.packb([1, msgid, error, answer]))
        if method == "watch" and error is None:
            self.watchers.append(connection)
            for what in self.notifications:
                self._notify(connection, what)
        return True

    @staticmethod
    def _notify(connection, what):
        connection.sendall(msgpack.packb([2, "changed", [what]]))

    def notify(self, what):
        """Sends `changed` to each connection that watches."""
        for connection in self.watchers:
            self._notify(connection, what)
