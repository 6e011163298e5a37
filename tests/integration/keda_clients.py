# SPDX-License-Identifier: Apache-2.0
"""KEDA's calls of an external scaler, made by three implementations of gRPC: C++ (grpcio), Node and Go.
Each asks GetMetricSpec, GetMetrics and IsActive without a deadline, and after an error makes a new
client and asks GetMetrics again."""

import fcntl
import json
import os
import queue
import subprocess
import threading

import grpc

from tests.gateway import process
from tests.gateway.local import ROOT

from .external_scaler import Scaler, object_ref
from .go_program import go_environment

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = os.path.join(ROOT, ".deps")
SECONDS = 30


def compile_go(shared):
    """The program of keda_client.go, in a folder that the processes of one test run share."""
    folder = shared / "go"
    folder.mkdir(exist_ok=True)
    program = folder / "keda_client"
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            subprocess.run(["go", "build", "-ldflags=-s -w", "-o", program,
                            os.path.join(HERE, "keda_client.go")], check=True, timeout=300,
                           env=go_environment(folder), cwd=folder)
    return str(program)


class ProgramClient:
    """A program that reads questions from lines, and writes answers."""

    def __init__(self, *command):
        self.child = process.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answers = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.child.stdout:
            self.answers.put(json.loads(line))
        self.answers.put({"ended": True})

    def _ask(self, kind, name, metadata):
        ref = {"name": name, "namespace": "shop", "scalerMetadata": metadata}
        self.child.stdin.write(json.dumps({kind: ref}) + "\n")
        self.child.stdin.flush()

    def next(self):
        return self.answers.get(timeout=SECONDS)

    def poll(self, name, **metadata):
        self._ask("poll", name, metadata)
        return self.next()

    def stream(self, name, **metadata):
        """Its answers come from next()."""
        self._ask("stream", name, metadata)

    def finish(self):
        process.stop(self.child)
        self.reader.join(SECONDS)
        self.child.stdin.close()
        self.child.stdout.close()


class PythonClient:
    """The same within this process."""

    def __init__(self, make_channel):
        self.make_channel = make_channel
        self.clients = 0
        self.calls = None
        self.streamed = None
        self.rebuild()

    def rebuild(self):
        self.finish()
        self.calls = Scaler(self.make_channel())
        self.clients += 1

    def finish(self):
        if self.calls is not None:
            self.calls.channel.close()

    def activity(self, ref, specs):
        values = [list(value) for spec in specs
                  for value in self.calls.metrics(ref, spec[0], timeout=None)]
        return values, self.calls.is_active(ref, timeout=None)

    def poll(self, name, **metadata):
        ref, specs = object_ref(name, **metadata), [("unknown",)]
        try:
            try:
                specs = self.calls.spec(ref, timeout=None)
                values, active = self.activity(ref, specs)
            except grpc.RpcError:
                self.rebuild()
                values, active = self.activity(ref, specs)
        except grpc.RpcError as error:
            return self.failure(error)
        return {"spec": [list(spec) for spec in specs], "metrics": values, "active": active,
                "clients": self.clients}

    def failure(self, error):
        return {"code": error.code().value[0], "message": error.details(), "clients": self.clients}

    def stream(self, name, **metadata):
        self.streamed = self.calls.stream(object_ref(name, **metadata), timeout=None)

    def next(self):
        try:
            return {"active": next(self.streamed)}
        except grpc.RpcError as error:
            return self.failure(error)


def python_client(bridge, ca=None, client=None):
    """`ca`: a file. `client`: the files of a client's chain and key."""
    own = ("grpc.use_local_subchannel_pool", 1)
    if ca is None:
        return PythonClient(lambda: grpc.insecure_channel(bridge.address, options=[own]))
    texts = []
    for path in (ca, *reversed(client or ())):
        with open(path, "rb") as file:
            texts.append(file.read())
    credentials = grpc.ssl_channel_credentials(*texts)
    return PythonClient(lambda: grpc.secure_channel(
        bridge.address, credentials, options=[own, ("grpc.ssl_target_name_override", "localhost")]))


def node_client(bridge, ca=None, client=None):
    files = [path for path in (ca, *(client or ())) if path]
    return ProgramClient("node", os.path.join(HERE, "keda_client.mjs"), MODULES,
                         os.path.join(HERE, "external_scaler.proto"), bridge.address, *files)


def go_client(program, bridge, ca=None, client=None):
    return ProgramClient(program, bridge.address, *(path for path in (ca, *(client or ())) if path))
