# SPDX-License-Identifier: Apache-2.0
"""Load on one tally-bridge for some minutes, while tallyd is restarted and killed, and clients break
their connections.

    soak_bridge.py [MINUTES]     TALLY_BUILD: the build to soak (make soak-bridge)

Every call is answered, with the right number or with an error, within CALL_SECONDS; through each restart the
streams receive nothing but the state; at the end memory and descriptors are as before.
"""

import collections
import http.client
import os
import random
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import grpc

from tests.gateway.client import temporary_gateway
from tests.gateway.tables import ORDERS
from tests.integration import process_facts
from tests.integration.agent import Agent, wait_until
from tests.integration.bridge import Bridge
from tests.integration.external_scaler import SERVICE, object_ref
from tests.integration.http2_frames import (END_HEADERS, HEADERS, PREFACE, SETTINGS, frame, grpc_call,
                                            grpc_head)
from tests.integration.yaml_files import scaled_object, small_object, trigger

CALL_SECONDS = 4  # the bridge answers within 2; the rest is this machine's
METRIC = ("aws-dynamodb-orders", 7, 7.0)
MEMORY_KB = 300
SEED = 4711
WANTED = ("GetMetricSpec: answered", "GetMetrics: answered", "IsActive: answered",
          "StreamIsActive: received", "/v1/count/small: 200", "/metrics: 200", "/v1/triggers: 200",
          "/readyz: 200", "connections broken", "restarts of tallyd")
UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class Soak:
    def __init__(self, gateway):
        self.world = gateway.world()
        self.agent = Agent(self.world, small_object(pollingInterval=1),
                           scaled_object("none", trigger(value={"S": "none"}), pollingInterval=1),
                           options=["--grace", "200ms", "--linger", "0"])
        self.bridge = Bridge(self.agent.socket)
        self.did = collections.Counter()
        self.lock = threading.Lock()
        self.wrong = []
        self.over = threading.Event()

    def note(self, what):
        with self.lock:
            self.did[what] += 1

    # ---- clients ----

    def timed(self, what, ask, wanted):
        """One call: the right answer, or an error of an agent that is away, in time."""
        begun = time.monotonic()
        try:
            answer = ask()
            if answer != wanted:
                self.wrong.append(f"{what}: {answer!r}")
            self.note(f"{what}: answered")
        except grpc.RpcError as error:
            if error.code() not in UNAVAILABLE:
                self.wrong.append(f"{what}: {error.code()} {error.details()}")
            self.note(f"{what}: {error.code().name}")
        took = time.monotonic() - begun
        if took > CALL_SECONDS:
            self.wrong.append(f"{what}: lost, or late by {took:.1f} s")

    def poller(self, _):
        """KEDA's three calls."""
        scaler = self.bridge.scaler()
        while not self.over.is_set():
            for name, count in (("small", 7), ("none", 0)):
                ref = object_ref(name)
                self.timed("GetMetricSpec", lambda r=ref: scaler.spec(r),
                           [("aws-dynamodb-orders", 5, 5.0)])
                self.timed("GetMetrics", lambda r=ref: scaler.metrics(r),
                           [("aws-dynamodb-orders", count, float(count))])
                self.timed("IsActive", lambda r=ref: scaler.is_active(r), count > 0)
            time.sleep(0.01)
        scaler.channel.close()

    def watcher(self, _):
        """external-push: the state never changes, so nothing but it may come."""
        scaler = self.bridge.scaler()
        while not self.over.is_set():
            stream = scaler.stream(object_ref("small"), timeout=10)
            try:
                for active in stream:
                    self.note("StreamIsActive: received")
                    if active is not True:
                        self.wrong.append(f"StreamIsActive: {active}")
                    if self.over.is_set():
                        break
            except grpc.RpcError as error:
                if error.code() not in UNAVAILABLE:
                    self.wrong.append(f"StreamIsActive: {error.code()} {error.details()}")
            stream.cancel()
        scaler.channel.close()

    def reader(self, _):
        """metrics-api and Prometheus."""
        while not self.over.is_set():
            for path in ("/v1/count/small", "/metrics", "/v1/triggers", "/readyz"):
                begun = time.monotonic()
                try:
                    status, _, body = self.bridge.get(path)
                except (OSError, http.client.HTTPException) as error:
                    self.wrong.append(f"{path}: {error!r}")
                    continue
                self.note(f"{path}: {status}")
                if status not in (200, 503):
                    self.wrong.append(f"{path}: {status}")
                if status == 200 and path == "/v1/count/small" and '"count": 7' not in body.replace(
                        '"count":7', '"count": 7'):
                    self.wrong.append(f"{path}: {body}")
                if time.monotonic() - begun > CALL_SECONDS:
                    self.wrong.append(f"{path}: late")
            time.sleep(0.02)

    def breaker(self, seed):
        """Connections that break in the middle of whatever it is."""
        luck = random.Random(seed)
        path, hello = SERVICE + "IsActive", PREFACE + frame(SETTINGS, 0, 0)
        whole = hello + b"".join(grpc_call(stream, path, object_ref("small")) for stream in (1, 3))
        while not self.over.is_set():
            data = luck.choice([whole, whole[:luck.randrange(len(whole))],
                                hello + frame(HEADERS, END_HEADERS, 1, grpc_head(path)),
                                b"GET /v1/count/small HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /metr"])
            try:
                with self.bridge.raw() as connection:
                    connection.sendall(data)
                    time.sleep(luck.choice([0, 0, 0.001, 0.05]))
            except OSError as error:
                self.wrong.append(f"no connection: {error!r}")
            self.note("connections broken")
            time.sleep(0.005)

    def restarter(self, seed):
        luck = random.Random(seed)
        while not self.over.wait(luck.uniform(2, 5)):
            if luck.random() < 0.5:
                self.agent.stop()
            else:
                self.agent.kill()
            time.sleep(luck.choice([0, 0.3, 1.5]))
            self.agent.start()
            self.note("restarts of tallyd")

    def guarded(self, job, seed):
        try:
            job(seed)
        except Exception as error:
            self.wrong.append(f"{job.__name__}: {error!r}")

    # ---- the course ----

    def burst(self, seconds):
        self.over.clear()
        jobs = [self.poller] * 4 + [self.watcher] * 4 + [self.reader] * 2 + [self.breaker] * 2
        threads = [threading.Thread(target=self.guarded, args=(job, SEED + i))
                   for i, job in enumerate([*jobs, self.restarter])]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.over.set()
        for thread in threads:
            thread.join()

    def rest(self):
        """Memory and descriptors when all clients have gone."""
        pid = self.bridge.child.pid
        wait_until(lambda: self.bridge.metric("tally_bridge_connections") == "1", 60)
        wait_until(lambda: self.bridge.metric("tally_bridge_streams") == "0", 10)
        wait_until(lambda: self.bridge.metric("tally_bridge_watches") == "0", 10)
        time.sleep(1)
        return process_facts.anonymous_kb(pid), process_facts.descriptors(pid)

    def run(self, seconds):
        self.agent.start()
        self.bridge.start()
        self.burst(15)
        before = self.rest()
        self.burst(seconds)
        return before, self.rest()


def report(soak, before, after):
    for what, number in sorted(soak.did.items()):
        print(f"{what:34}{number}")
    print(f"wrong or lost                     {len(soak.wrong)}")
    print(f"at rest: kB of its own, descriptors: before {before}, after {after}")
    wrong = soak.wrong[:10]
    wrong += [f"{what}: never" for what in WANTED if soak.did[what] == 0]
    if after[0] > before[0] + MEMORY_KB and not process_facts.is_sanitized(soak.bridge.child.pid):
        wrong.append("memory grew")
    if after[1] > before[1]:
        wrong.append("descriptors were not closed")
    return wrong


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    with temporary_gateway(ORDERS) as (gateway, tables):
        tables.fill_orders("small", 7)
        soak = Soak(gateway)
        wrong = report(soak, *soak.run(minutes * 60))
        soak.bridge.finish()
        soak.agent.finish()
    for line in wrong:
        print(line)
    print(f"{int(not wrong)} passed, {int(bool(wrong))} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
