# SPDX-License-Identifier: Apache-2.0
"""The gateway's interface for tests: its process, a world in it, and the control API as Python
calls."""

import contextlib
import http.client
import json
import os
import sys
import tempfile
import threading
import time
from urllib.parse import urlsplit

from . import process
from .local import ROOT
from .server import METHODS
from .tables import Tables

READY_SECONDS = 90


class ControlError(Exception):
    """The gateway refused a control call."""


class Control:
    """One persistent connection to the control port, for any thread."""

    def __init__(self, url):
        self._lock = threading.Lock()
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def call(self, method, path, arguments):
        with self._lock:
            self._connection.request(method, path, json.dumps(arguments))
            reply = self._connection.getresponse()
            result = json.loads(reply.read())
        if reply.status != 200:
            raise ControlError(result["error"])
        return result

    def close(self):
        self._connection.close()


class WorldClient:
    """A separate world in a running gateway. Each of server.METHODS is a method here:
    `world.fault(action="Query", code="ThrottlingException", times=2)`."""

    def __init__(self, control_url, **options):
        self._control = Control(control_url)
        made = self._control.call("POST", "/worlds", options)
        self.name = made["name"]
        self.urls = made["urls"]

    def __getattr__(self, method):
        if method not in METHODS:
            raise AttributeError(method)
        path = f"/worlds/{self.name}/{method}"
        return lambda **arguments: self._control.call("POST", path, arguments)

    def calls(self, service, action):
        return self.summary()["calls"].get(f"{service}:{action}", 0)

    def connections(self, service):
        return self.summary()["connections"].get(service, 0)

    def close(self):
        self._control.call("DELETE", f"/worlds/{self.name}", {})
        self._control.close()


class Gateway:
    """A gateway and its DynamoDB Local as a child process."""

    def __init__(self, folder):
        ready = os.path.join(folder, "gateway.json")
        self._log = open(os.path.join(folder, "gateway.log"), "wb")
        self._child = process.start(
            [sys.executable, "-m", "tests.gateway", "serve", "--folder", folder],
            cwd=ROOT, stdout=self._log, stderr=self._log)
        deadline = time.monotonic() + READY_SECONDS
        while not os.path.exists(ready):
            if self._child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                with open(self._log.name, encoding="utf-8", errors="replace") as log:
                    raise RuntimeError(f"the gateway does not start:\n{log.read()}")
            time.sleep(0.02)
        with open(ready, encoding="utf-8") as file:
            answer = json.load(file)
        self.control = answer["control"]
        self.dynamodb_local = answer["dynamodb_local"]

    def world(self, **options):
        return WorldClient(self.control, **options)

    def stop(self):
        process.stop(self._child)
        self._log.close()


@contextlib.contextmanager
def temporary_gateway(*definitions):
    """A gateway for a script, in a folder of its own, and its tables, made by these definitions."""
    with tempfile.TemporaryDirectory(prefix="tally-gateway-") as folder:
        gateway = Gateway(folder)
        try:
            tables = Tables(gateway.dynamodb_local)
            for definition in definitions:
                tables.create(definition)
            yield gateway, tables
        finally:
            gateway.stop()
