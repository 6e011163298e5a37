# SPDX-License-Identifier: Apache-2.0
"""Mixed load on one agent for some minutes, while AWS fails in various ways, tokens rotate,
credentials expire, the configuration changes, and clients connect and disconnect, some of them
hostile.

    soak.py [MINUTES]     TALLY_BUILD: the build to soak (make soak)

At the end memory, descriptors and timers are as before, nothing is in flight, every request had an
answer, and every count was right.
"""

import collections
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import msgpack

from tests.gateway.client import temporary_gateway
from tests.gateway.tables import JOBS, ORDERS, job
from tests.gateway.world import SUBJECT
from tests.integration import process_facts
from tests.integration.agent import Agent, wait_until
from tests.integration.rpc import Rpc, RpcError
from tests.integration.test_faults import FAULTS, SERVICES
from tests.integration.test_lifecycle import LOAD
from tests.integration.test_library import CLIENT, STATIC, run, sanitizer
from tests.integration.yaml_files import scaled_object, small_object, trigger

COUNTS = {"small": 7, "waiting": 30, "owner": 100, "none": 0}
LIFETIME = 8  # lifetime of credentials, in seconds
SEED = 4711
MEMORY_KB = 150  # of noise: a fragmented heap, a few kept connections and names

TRIGGERS = [
    small_object(pollingInterval=1),
    scaled_object("waiting", trigger("jobs", "state", {"S": "waiting"}, indexName="by-state"),
                  pollingInterval=2),
    scaled_object("owner", trigger("jobs", "owner", {"S": "owner-1"}), pollingInterval=3),
    scaled_object("none", trigger(value={"S": "none"}), fallback={"failureThreshold": 3,
                                                                  "replicas": 4})]
EXTRA = scaled_object("extra", trigger(value={"S": "extra"}))


Rest = collections.namedtuple("Rest", "memory_kb descriptors timers wake_ups under_way")


class Tally:
    """The counters of all threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self.answers = collections.Counter()  # by quality or error name
        self.did = collections.Counter()  # by kind of attack
        self.wrong, self.lost = [], []
        self.over = threading.Event()

    def note(self, counter, name, number=1):
        with self._lock:
            counter[name] += number

    def served(self):
        return sum(self.answers.values())


class Soak:
    def __init__(self, gateway, folder):
        self.tally = Tally()
        self.world = gateway.world()
        self.world.role(web_identity=SUBJECT, lifetime=LIFETIME)
        self.agent = Agent(self.world, *TRIGGERS, options=["--max-stale", "1h"])
        self.load = self._compile(folder)
        self.samples = []  # (anonymous kB, descriptors)
        self.luck = random.Random(SEED)

    @staticmethod
    def _compile(folder):
        source, program = os.path.join(folder, "load.c"), os.path.join(folder, "load")
        with open(source, "w", encoding="ascii") as file:
            file.write(LOAD)
        run("gcc", "-O1", "-I", CLIENT, *sanitizer(), source, "-x", "none", STATIC, "-o", program)
        return program

    # ---- clients ----

    def ask(self, connection, luck):
        """One random request, and whether its answer is right."""
        name = luck.choice(list(COUNTS))
        method = luck.choices(["count", "list", "status", "whoami", "explain", "ping"],
                              [80, 4, 4, 4, 2, 6])[0]
        params = {"trigger": name} if method in ("count", "explain") else {}
        if method == "count":
            params.update(luck.choice([{}, {}, {"max_age_ms": 0}, {"max_age_ms": 500}]))
            params["timeout_ms"] = luck.choice([300, 1500, 5000])
        try:
            result = connection.call(method, **params)
        except RpcError as error:
            self.tally.note(self.tally.answers, error.name)
            return
        except (OSError, TypeError, AssertionError) as error:
            self.tally.lost.append(f"{method} {params}: {error!r}")
            raise ConnectionError from error
        self.tally.note(self.tally.answers, result.get("quality", method) if result else method)
        if method == "count" and result["count"] != COUNTS[name]:
            self.tally.wrong.append(f"{name}: {result}")

    def steady(self, seed):
        """A client that stays connected."""
        luck = random.Random(seed)
        with Rpc(self.agent.socket, timeout=60) as connection:
            while not self.tally.over.is_set():
                self.ask(connection, luck)
                time.sleep(0.01)

    def fleeting(self, seed):
        """Clients that connect, send a request, and disconnect, some before the answer."""
        luck = random.Random(seed)
        while not self.tally.over.is_set():
            with Rpc(self.agent.socket, timeout=60) as connection:
                for _ in range(luck.randrange(4)):
                    self.ask(connection, luck)
                if luck.random() < 0.3:
                    connection.send("count", {"trigger": "small", "max_age_ms": 0})
            self.tally.note(self.tally.did, "clients that went")
            time.sleep(0.02)

    def hostile(self, seed):
        luck = random.Random(seed)
        while not self.tally.over.is_set():
            with self.agent.raw() as connection:
                request = msgpack.packb([0, 1, "count", [{"trigger": "small"}]])
                data = luck.choice([b"\xc1", luck.randbytes(200), request[:luck.randrange(20)],
                                    request * 300, b"\xdd\xff\xff\xff\xff"])
                try:
                    connection.sendall(data)
                except OSError:
                    pass
            self.tally.note(self.tally.did, "hostile clients")
            time.sleep(0.05)

    def library(self, seconds):
        """Programs with libtally; counts their answers."""
        clients = [subprocess.Popen([self.load, self.agent.socket, str(int(seconds))],
                                    stdout=subprocess.PIPE, text=True, env=self.agent.env)
                   for _ in range(3)]
        for client in clients:
            *errors, number = client.communicate()[0].splitlines()
            self.tally.note(self.tally.answers, "exact", int(number) - len(errors))
            for line in errors:
                name = line.partition(":")[0]
                self.tally.note(self.tally.answers, name)
                if name in ("DEADLINE", "PROTOCOL", "NO_AGENT", "OK"):
                    self.tally.lost.append(line)

    def guarded(self, job, *arguments):
        """A thread that ends early is a failure, not only a line on stderr."""
        try:
            job(*arguments)
        except Exception as error:
            self.tally.wrong.append(f"{job.__name__}: {error!r}")

    # ---- the world ----

    def misfortune(self):
        """One fault after another, with a pause between them."""
        while not self.tally.over.is_set():
            fault = self.luck.choice([fault for fault in FAULTS
                                      if {"dynamodb", "sts"} & set(fault.services)])
            service = self.luck.choice([name for name in fault.services
                                        if name in ("dynamodb", "sts")])
            options = dict(fault.options)
            if options.pop("away", False):
                self.world.leave(service=service)
            else:
                self.world.fault(service=service, action=SERVICES[service].action, **options)
            time.sleep(0.5)
            if "away" in fault.options:
                self.world.come_back(service=service)
            self.world.heal()
            self.tally.note(self.tally.did, "faults")
            time.sleep(0.7)

    def changes(self):
        step = 0
        while not self.tally.over.wait(1.0):
            step += 1
            if step % 2 == 0:
                self.agent.mount.write(token=self.world.token(lifetime=60))
                self.tally.note(self.tally.did, "tokens rotated")
            if step % 3 == 0:
                self.agent.write_config(*TRIGGERS, *([EXTRA] if step % 2 else []))
                self.tally.note(self.tally.did, "configurations changed")
            if step % 5 == 0:
                self.agent.child.send_signal(signal.SIGHUP)
                self.tally.note(self.tally.did, "reloads asked for")
            if step % 7 == 0:
                self.luck.choice([self.world.expire, self.world.revoke,
                                  self.world.close_idle])()
                self.tally.note(self.tally.did, "credentials or connections ended")

    # ---- the state of the agent ----

    def sample(self):
        pid = self.agent.child.pid
        self.samples.append((process_facts.anonymous_kb(pid), process_facts.descriptors(pid)))
        return self.samples[-1]

    def rest(self):
        """Stops all clients, restores the configuration, and returns the remaining resources."""
        pid = self.agent.child.pid
        wait_until(lambda: self.agent.rpc("status")["connections"]["open"] == 1, 30)
        self.agent.write_config(*TRIGGERS)
        self.agent.child.send_signal(signal.SIGHUP)
        wait_until(lambda: self.agent.rpc("status")["config"]["triggers"] == len(TRIGGERS))
        for name, wanted in COUNTS.items():
            wait_until(lambda: self.is_exact(name, wanted), 60, lambda: f"{name} is not well")
        time.sleep(2 * LIFETIME)  # unused credentials are dropped
        before = int(process_facts.status(pid, "voluntary_ctxt_switches"))
        time.sleep(5)
        woken = (int(process_facts.status(pid, "voluntary_ctxt_switches")) - before) / 5
        self.sample()
        # A reload returns free memory to the kernel; the rest is in use.
        generation = self.agent.rpc("status")["config"]["generation"]
        self.agent.child.send_signal(signal.SIGHUP)
        wait_until(lambda: self.agent.rpc("status")["config"]["generation"] > generation)
        status = self.agent.rpc("status")
        under_way = (status["flights"]["active"], status["requests"]["in_flight"],
                     status["memory"]["output_queue_bytes"])
        return Rest(*self.sample(), status["memory"]["timers"], woken, sum(under_way))

    def is_exact(self, name, wanted):
        try:
            answer = self.agent.rpc("count", trigger=name, max_age_ms=0)
        except RpcError:
            return False
        return (answer["count"], answer["quality"]) == (wanted, "exact")

    def burst(self, seconds):
        """Runs everything for the given time."""
        self.tally.over.clear()
        jobs = [(self.steady, seed) for seed in range(4)]
        jobs += [(self.fleeting, seed) for seed in range(10, 12)]
        jobs += [(self.hostile, 20), (self.library, seconds), (self.misfortune,), (self.changes,)]
        threads = [threading.Thread(target=self.guarded, args=job) for job in jobs]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.sample()
            time.sleep(1)
        self.tally.over.set()
        for thread in threads:
            thread.join()

    def run(self, seconds):
        self.agent.start()
        self.burst(15)  # libraries and the heap reach their steady size
        before = self.rest()
        self.burst(seconds)
        return before, self.rest()


def report(soak, before, after):
    """Prints the figures; returns the failures."""
    tally = soak.tally
    print(f"answers served       {tally.served()}")
    for name, number in sorted(tally.answers.items()):
        print(f"  {name:19}{number}")
    for name, number in sorted(tally.did.items()):
        print(f"{name:34}{number}")
    print(f"answers lost         {len(tally.lost)}")
    print(f"wrong counts         {len(tally.wrong)}")
    print(f"largest memory       {max(kb for kb, _ in soak.samples)} kB of its own (each second), "
          f"resident {process_facts.status(soak.agent.child.pid, 'VmHWM').strip()}")
    print("at rest              " + ", ".join(Rest._fields))
    for when, rest in (("before", before), ("after", after)):
        print(f"{when:21}" + ", ".join(str(value) for value in rest))
    wrong = tally.lost[:5] + tally.wrong[:5]
    if (after.memory_kb > before.memory_kb + MEMORY_KB and
            not process_facts.is_sanitized(soak.agent.child.pid)):
        wrong.append("memory grew")
    if after.descriptors > before.descriptors:
        wrong.append("descriptors were not closed")
    if after.timers > before.timers or after.wake_ups > before.wake_ups + 2:
        wrong.append("timers were left behind")
    if after.under_way:
        wrong.append("something is still under way")
    return wrong


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 5
    with temporary_gateway(ORDERS, JOBS) as (gateway, tables), tempfile.TemporaryDirectory() as folder:
        tables.fill_orders("small", COUNTS["small"])
        tables.put("jobs", (job(number) for number in range(300)))
        soak = Soak(gateway, folder)
        wrong = report(soak, *soak.run(minutes * 60))
        soak.agent.finish()
    for line in wrong:
        print(line)
    print(f"{int(not wrong)} passed, {int(bool(wrong))} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
