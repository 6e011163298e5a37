# SPDX-License-Identifier: Apache-2.0
"""Starts and stops the servers that are compared."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from http.client import HTTPConnection

import msgpack

from tests.gateway import process
from tests.gateway.local import ROOT

from . import machine

BUILD = os.path.join(ROOT, os.environ.get("TALLY_BUILD", "build"))
STATIC = os.path.join(BUILD, "image", "bearssl", "tallyd")
MSGID = 0x10001  # of every request: its answer takes as many bytes each time
READY_SECONDS = 30
TOKEN_BYTES = 1000  # STS's session tokens have 800 to 1,500
SHORT_TOKEN_BYTES = 16

OBJECT = """---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: {name}, namespace: shop}}
spec:
  scaleTargetRef: {{name: {name}}}
  pollingInterval: {polling}
  triggers:
    - type: aws-dynamodb
      metadata:
        awsRegion: eu-west-1
        tableName: orders
        targetValue: "5"
        keyConditionExpression: "#k = :v"
        expressionAttributeNames: '{{"#k": "queue"}}'
        expressionAttributeValues: '{{":v": {{"S": "pending"}}}}'{extra}
"""


def program(name):
    path = os.path.join(BUILD, "bench", name)
    if not os.path.exists(path):
        raise machine.Missing(f"{path} is not built")
    return path


def request(trigger="shop/orders", **params):
    return msgpack.packb([0, MSGID, "count", [{"trigger": trigger, **params}]])


class Stage:
    """A folder for sockets and files, and the processes that are stopped with it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="tally-bench-", dir="/tmp")
        self._children = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in reversed(self._children):
            process.stop(child)
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def start(self, command, cpu=machine.CPU, ready=None, **options):
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        child = process.start(machine.pinned(command, cpu), stdin=subprocess.DEVNULL, **options)
        self._children.append(child)
        if ready is not None:
            wait_until(ready, child, command[0])
        return child

    def stop(self, child):
        self._children.remove(child)
        process.stop(child)

    # ---- the service, and the agent ----

    def canned(self, *options, cpu=machine.CPU):
        """Starts a DynamoDB that answers at once; returns its port."""
        child = self.start([program("canned"), *options], cpu, stdout=subprocess.PIPE)
        return int(child.stdout.readline())

    def triggers(self, names, polling=86400, extra=""):
        """Creates a folder with the configuration of these triggers."""
        folder = tempfile.mkdtemp(dir=self.folder)
        for first in range(0, len(names), 1000):  # a file may have 1 MiB
            text = "".join(OBJECT.format(name=name, polling=polling, extra=extra)
                           for name in names[first:first + 1000])
            with open(os.path.join(folder, f"{first:06}.yaml"), "w", encoding="ascii") as file:
                file.write(text)
        return folder

    def environment(self, port, web_identity=True, token_bytes=TOKEN_BYTES, **more):
        """A pod's environment; without web identity with the keys that STS would give. The service checks
        neither token."""
        url = f"http://127.0.0.1:{port}"
        identity = {"AWS_ACCESS_KEY_ID": "ASIABENCHBENCHBENCH1",
                    "AWS_SECRET_ACCESS_KEY": "bench" * 8, "AWS_SESSION_TOKEN": "T" * token_bytes}
        if web_identity:
            token = self.write("token", "header.e30.signature")
            identity = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/bench",
                        "AWS_WEB_IDENTITY_TOKEN_FILE": token}
        return {"PATH": "/usr/bin:/bin", "AWS_REGION": "eu-west-1", "HOME": self.folder,
                "AWS_ENDPOINT_URL_DYNAMODB": url, "AWS_ENDPOINT_URL_STS": url,
                "AWS_ENDPOINT_URL": url, **identity, **more}

    def agent_command(self, name, config, tallyd=None, options=()):
        return [tallyd or os.path.join(BUILD, "tallyd"), "--config", config, "--socket",
                self.path(name), "--linger", "0", *options]

    def agent(self, port, config=None, name="tally.sock", tallyd=None, options=(), cpu=machine.CPU,
              **environment):
        """Starts tallyd, listening at path(name); returns its process."""
        config = config or self.triggers(["orders"])
        return self.start(self.agent_command(name, config, tallyd, options), cpu,
                          ready=lambda: listens(self.path(name)),
                          env=self.environment(port, **environment))


def stats(port):
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/stats")
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def listens(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def wait_until(ready, child, what):
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{what} does not start")
        time.sleep(0.01)


def exchange(path, data, seconds=60):
    """Sends one request on a new connection; returns the answer's bytes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(path)
        connection.sendall(data)
        answer = connection.recv(65536)
    return answer


def count(path, trigger="shop/orders", **params):
    _, _, error, result = msgpack.unpackb(exchange(path, request(trigger, **params)))
    if error is not None:
        raise RuntimeError(f"{trigger}: {error['message']}")
    return result
