# SPDX-License-Identifier: Apache-2.0
"""Calls DynamoDB Local over persistent connections."""

import asyncio
from urllib.parse import urlsplit

from . import wire

# DynamoDB Local requires a signature header and does not check it.
AUTHORIZATION = ("AWS4-HMAC-SHA256 Credential=gateway/20000101/eu-west-1/dynamodb/aws4_request, "
                 "SignedHeaders=host, Signature=" + "0" * 64)


class Upstream:
    def __init__(self, url):
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._idle = []

    async def call(self, target, body):
        """Sends an operation to DynamoDB Local; returns status and body."""
        head = (f"POST / HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
                f"X-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.0\r\n"
                f"Authorization: {AUTHORIZATION}\r\nContent-Length: {len(body)}\r\n\r\n")
        while self._idle:
            reader, writer = self._idle.pop()
            try:
                return await self._exchange(reader, writer, head.encode() + body)
            except (OSError, EOFError):
                writer.close()  # it was closed while idle; the next one may be open
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=wire.HEAD_MAX)
        return await self._exchange(reader, writer, head.encode() + body)

    async def _exchange(self, reader, writer, data):
        writer.write(data)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = {name.lower(): value.strip()
                   for name, _, value in (line.partition(":") for line in head[1:] if line)}
        if headers.get("transfer-encoding") == "chunked":
            body = await wire.read_chunked(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return status, body

    def close(self):
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()
