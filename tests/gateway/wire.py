# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as bytes: requests in, replies out, one connection at a time.

Written by hand, because the faults need control of every byte that is sent, and the ledger needs
every byte that was received.
"""

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl

HEAD_MAX = 64 * 1024
BODY_MAX = 8 * 1024 * 1024


class Malformed(Exception):
    """The input is not HTTP/1.1 as a client of AWS sends it."""


@dataclass
class Request:
    method: str
    target: str
    headers: list  # (name, value) in the order and spelling of the wire
    body: bytes = b""
    connection: int = 0  # number of the TCP connection within its service
    peer: str = ""

    @property
    def path(self):
        return self.target.partition("?")[0]

    @property
    def query(self):
        return self.target.partition("?")[2]

    def header(self, name):
        """The first value of a header, or None."""
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), None)

    def form(self):
        """The parameters of a Query-protocol call: from the body of a POST, else from the URL."""
        text = self.body.decode("utf-8", "replace") if self.method == "POST" else self.query
        return dict(parse_qsl(text, keep_blank_values=True))

    def wants_close(self):
        return "close" in (self.header("Connection") or "").lower()


@dataclass
class Reply:
    status: int
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    code: str = ""  # the error's name, for the ledger

    def head(self, length):
        """Status line and headers, for a declared body length of `length` bytes."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def read_request(reader, writer):
    """The next request of a connection, or None if the client closed it between two requests."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise Malformed("the connection ended within a request head") from None
        return None
    except asyncio.LimitOverrunError:
        raise Malformed("the request head is too long") from None
    request = parse_head(head)
    if (request.header("Expect") or "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    request.body = await _read_body(request, reader)
    return request


def parse_head(head):
    lines = head[:-4].decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    # Python's own client requests a tunnel with HTTP/1.0.
    versions = ("HTTP/1.1", "HTTP/1.0") if parts[0] == "CONNECT" else ("HTTP/1.1",)
    if len(parts) != 3 or parts[2] not in versions or not parts[0].isalpha():
        raise Malformed(f"not a request line: {lines[0]!r}")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Malformed(f"not a header: {line!r}")
        headers.append((name, value.strip(" \t")))
    request = Request(parts[0], parts[1], headers)
    if sum(name.lower() == "host" for name, _ in headers) != 1 and request.method != "CONNECT":
        raise Malformed("a request needs exactly one Host header")
    return request


async def _read_body(request, reader):
    length = request.header("Content-Length")
    encoding = request.header("Transfer-Encoding")
    if encoding is not None:
        if length is not None or encoding.lower() != "chunked":
            raise Malformed(f"Transfer-Encoding {encoding!r} is not understood")
        return await read_chunked(reader)
    if length is None:
        return b""
    if not length.isdigit() or int(length) > BODY_MAX:
        raise Malformed(f"Content-Length {length!r} is not acceptable")
    return await reader.readexactly(int(length))


async def read_chunked(reader):
    body = b""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        if len(body) + size > BODY_MAX:
            raise Malformed("the body is too long")
        chunk = await reader.readexactly(size)
        await reader.readline()
        if size == 0:
            return body
        body += chunk


def reset(writer):
    """Closes a connection with a RST instead of a FIN."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
