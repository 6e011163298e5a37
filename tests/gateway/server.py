# SPDX-License-Identifier: Apache-2.0
"""The control API: JSON over HTTP on a separate port.

    POST /worlds                  {"region": …}      → {"name": …, "urls": {…}}
    POST /worlds/NAME/METHOD      {arguments}        → the result of World.METHOD
    DELETE /worlds/NAME
"""

import asyncio
import inspect
import json

from . import wire
from .world import World

METHODS = {"ca", "clock_offset", "close_idle", "come_back", "expire", "fault", "forget", "heal",
           "leave", "listen", "metadata", "pod_token", "proxy", "requests", "revoke", "role",
           "secrets", "session", "summary", "task", "token", "usage",
           "user"}


class Server:
    def __init__(self, dynamodb_url):
        self._dynamodb_url = dynamodb_url
        self._worlds = {}
        self._made = 0
        self._server = None
        self.url = ""

    async def start(self, port=0):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port,
                                                  limit=wire.HEAD_MAX)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self):
        for world in self._worlds.values():
            await world.stop()
        self._server.close()

    async def create(self, name=None, **options):
        self._made += 1
        name = name or str(self._made)
        world = World(self._dynamodb_url, **options)
        urls = await world.start()
        self._worlds[name] = world
        return {"name": name, "urls": urls, "control": f"{self.url}/worlds/{name}"}

    async def _serve(self, reader, writer):
        try:
            while (request := await wire.read_request(reader, writer)) is not None:
                status, result = await self._call(request)
                reply = wire.Reply(status, json.dumps(result).encode() + b"\n",
                                   {"Content-Type": "application/json"})
                writer.write(reply.head(len(reply.body)) + reply.body)
                await writer.drain()
        except (OSError, EOFError, wire.Malformed):
            pass
        finally:
            writer.close()

    async def _call(self, request):
        parts = request.path.strip("/").split("/")
        try:
            arguments = json.loads(request.body or b"{}")
            if request.method == "POST" and parts == ["worlds"]:
                return 200, await self.create(**arguments)
            world = self._worlds[parts[1]]
            if request.method == "DELETE" and len(parts) == 2:
                await self._worlds.pop(parts[1]).stop()
                return 200, None
            if parts[2] not in METHODS:
                raise KeyError(parts[2])
            result = getattr(world, parts[2])(**arguments)
            return 200, await result if inspect.isawaitable(result) else result
        except (KeyError, IndexError):
            return 404, {"error": f"nothing at {request.path}"}
        except (TypeError, ValueError) as failure:
            return 400, {"error": str(failure)}
