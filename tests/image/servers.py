# SPDX-License-Identifier: Apache-2.0
"""A DynamoDB of one answer behind TLS, and a slow network in front of any server."""

import json
import queue
import socket
import ssl
import threading
import time
import zlib

COUNT = 7
REPLY = json.dumps({"Count": COUNT, "ScannedCount": COUNT}).encode()


def listen():
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, listener.getsockname()[1]


class Threads:
    """Accepts in one thread, serves each connection in another."""

    def __init__(self):
        self._listener, self.port = listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        raise NotImplementedError

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Server(Threads):
    """`kept`: whether a connection stays open after its answer."""

    def __init__(self, context, kept=True):
        self._context = context
        self._kept = kept
        self.sessions = []  # (version, cipher) of each handshake that succeeded
        self.requests = 0
        super().__init__()
        # BearSSL refuses an address in a URL.
        self.url = f"https://localhost:{self.port}"

    def serve(self, connection):
        try:
            with self._context.wrap_socket(connection, server_side=True) as tls:
                self.sessions.append((tls.version(), tls.cipher()[0]))
                while self._answer(tls) and self._kept:
                    pass
        except OSError:  # includes ssl.SSLError
            connection.close()

    def _answer(self, tls):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = tls.recv(65536)
            if not piece:
                return False
            head += piece
        head, body = head.split(b"\r\n\r\n", 1)
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                      if line.startswith(b"content-length:"))
        while len(body) < length:
            body += tls.recv(65536)
        self.requests += 1
        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
                    b"x-amz-crc32: %d\r\nContent-Length: %d\r\n\r\n%s"
                    % (zlib.crc32(REPLY), len(REPLY), REPLY))
        return True


class SlowNetwork(Threads):
    """Delays every byte by `seconds`, in both directions, without limiting the throughput."""

    def __init__(self, port, seconds):
        self._to = port
        self._seconds = seconds
        self.lasted = []  # of each connection: seconds from its first byte to its last
        super().__init__()
        self.url = f"https://localhost:{self.port}"

    def serve(self, connection):
        there = socket.create_connection(("127.0.0.1", self._to))
        there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink in ((connection, there), (there, connection)):
            late = queue.Queue()
            threading.Thread(target=self._take, args=(source, late), daemon=True).start()
            threading.Thread(target=self._give, args=(late, sink), daemon=True).start()

    def _take(self, source, late):
        piece = b"more"
        while piece:
            try:
                piece = source.recv(65536)
            except OSError:
                piece = b""
            late.put((time.monotonic() + self._seconds, piece))

    @staticmethod
    def _give(late, sink):
        piece = b"more"
        while piece:
            due, piece = late.get()
            time.sleep(max(0, due - time.monotonic()))
            try:
                if piece:
                    sink.sendall(piece)
                else:
                    sink.shutdown(socket.SHUT_WR)
            except OSError:
                return


def versions(low, high=None):
    """Arguments for Certificate.context."""
    return {"lowest": low, "highest": high or low}


TLS1_0 = versions(ssl.TLSVersion.TLSv1)
TLS1_1 = versions(ssl.TLSVersion.TLSv1_1)
TLS1_2 = versions(ssl.TLSVersion.TLSv1_2)
TLS1_3 = versions(ssl.TLSVersion.TLSv1_3)
