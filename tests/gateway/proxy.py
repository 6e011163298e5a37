# SPDX-License-Identifier: Apache-2.0
"""Emulates a company's proxy to AWS: a CONNECT to a real name of AWS is served here, in TLS with a
certificate for that name, by this world's services."""

from . import wire

TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Proxy:
    name = "proxy"

    def __init__(self, world):
        self._world = world

    async def serve(self, reader, writer):
        number = self._world.ledger.connected(self.name)
        try:
            request = await wire.read_request(reader, writer)
            if request is None:
                return
            request.connection = number
            entry = self._world.ledger.started(self.name, request.method, request)
            host, _, port = request.target.partition(":")
            listener = self._world.listener_for(host) if request.method == "CONNECT" else None
            reply = wire.Reply(200 if listener and port == "443" else 502)
            self._world.ledger.finished(self.name, entry, reply)
            if reply.status != 200:
                writer.write(reply.head(0))
                await writer.drain()
                return
            writer.write(TUNNEL)
            await writer.drain()
            await writer.start_tls(self._world.authority.context([host]))
            await listener.serve(reader, writer)
        except (OSError, EOFError, wire.Malformed):
            pass
        finally:
            self._world.ledger.disconnected(self.name)
            writer.close()
