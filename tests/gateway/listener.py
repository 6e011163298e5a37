# SPDX-License-Identifier: Apache-2.0
"""One service of a world on its own port: reads requests, passes them to the service, and sends the
replies, intact or with an injected fault."""

import asyncio
import contextlib

from . import wire

# Time for a complete reply to be delivered before a RST may follow it.
SETTLE_SECONDS = 0.05
ENDLESS_PIECE = b" " * 65536


class Gone(Exception):
    """The connection was closed on purpose."""


class Listener:
    """`service` has a name, action(request), table(request) that is asked about or "",
    describe(request) for the ledger, answer(request, fault, entry), and dress(reply, fault), which
    adds what every reply of it has."""

    def __init__(self, service, ledger, faults, tls=None):
        self.service = service
        self.url = ""
        self._ledger = ledger
        self._faults = faults
        self._tls = tls
        self._server = None
        self._busy = {}  # writer -> whether a request is being served

    async def start(self, host="127.0.0.1", port=0):
        self._server = await asyncio.start_server(
            self.serve, host, port, limit=wire.HEAD_MAX, ssl=self._tls, backlog=1024)
        port = self._server.sockets[0].getsockname()[1]
        # BearSSL refuses an address in a URL, so TLS is offered under a name.
        self.url = f"https://localhost:{port}" if self._tls else f"http://127.0.0.1:{port}"

    async def stop(self):
        self._server.close()
        for writer in list(self._busy):
            writer.transport.abort()

    async def restart(self):
        """Listens again on the port that it had before stop()."""
        await self.start(port=int(self.url.rpartition(":")[2]))

    def close_idle(self):
        """Closes every connection that is between two requests, as a load balancer does."""
        idle = [writer for writer, busy in self._busy.items() if not busy]
        for writer in idle:
            writer.close()
        return len(idle)

    async def serve(self, reader, writer):
        """Serves one connection until it ends."""
        name = self.service.name
        number = self._ledger.connected(name)
        self._busy[writer] = False
        try:
            while await self._serve_one(reader, writer, number):
                pass
        except (Gone, OSError, EOFError, asyncio.CancelledError):
            pass
        except wire.Malformed as error:
            await self._reject(writer, error)
        finally:
            self._ledger.disconnected(name)
            del self._busy[writer]
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    async def _serve_one(self, reader, writer, number):
        request = await wire.read_request(reader, writer)
        if request is None:
            return False
        self._busy[writer] = True
        request.connection = number
        name, action = self.service.name, self.service.action(request)
        entry = self._ledger.started(name, action, request)
        entry["body"] = self.service.describe(request)
        entry["table"] = self.service.table(request)
        reply = None
        try:
            fault = self._faults.take(name, action, entry["table"])
            if fault.latency:
                await asyncio.sleep(fault.latency)
            self._end(fault, "before", writer)
            reply = await self._answer(request, fault, entry)
            await self._send(reply, fault, writer)
        finally:
            self._ledger.finished(name, entry, reply)
        await self._settle(fault, writer)
        self._busy[writer] = False
        return not request.wants_close() and reply.headers.get("Connection") != "close"

    async def _answer(self, request, fault, entry):
        reply = await self.service.answer(request, fault, entry)
        self.service.dress(reply, fault)
        for header, value in fault.headers.items():
            if value is None:
                reply.headers.pop(header, None)
            else:
                reply.headers[header] = value
        return reply

    async def _send(self, reply, fault, writer):
        if fault.endless:
            await self._send_endless(reply, fault, writer)
        length = len(reply.body) if fault.content_length is None else fault.content_length
        body = reply.body
        if fault.reset == "within" or fault.close == "within":
            body = body[:len(body) // 2]
        if fault.drip:
            writer.write(reply.head(length))
            for start in range(0, len(body), fault.drip_bytes):
                await writer.drain()
                await asyncio.sleep(fault.drip)
                if writer.is_closing():
                    raise Gone
                writer.write(body[start:start + fault.drip_bytes])
        else:
            writer.write(reply.head(length) + body)
        await writer.drain()
        if "within" in (fault.reset, fault.close):
            await asyncio.sleep(SETTLE_SECONDS)
            self._end(fault, "within", writer)

    async def _send_endless(self, reply, fault, writer):
        reply.headers["Transfer-Encoding"] = "chunked"
        writer.write(reply.head(None))
        while not writer.is_closing():
            writer.write(b"%x\r\n%s\r\n" % (len(ENDLESS_PIECE), ENDLESS_PIECE))
            await writer.drain()
            await asyncio.sleep(fault.drip)
        raise Gone

    async def _settle(self, fault, writer):
        if "after" in (fault.reset, fault.close):
            await asyncio.sleep(SETTLE_SECONDS)
            self._end(fault, "after", writer)

    @staticmethod
    def _end(fault, place, writer):
        if fault.reset == place:
            wire.reset(writer)
            raise Gone
        if fault.close == place:
            writer.close()
            raise Gone

    @staticmethod
    async def _reject(writer, error):
        reply = wire.Reply(400, f"{error}\n".encode(), {"Connection": "close"})
        with contextlib.suppress(OSError):
            writer.write(reply.head(len(reply.body)) + reply.body)
            await writer.drain()
