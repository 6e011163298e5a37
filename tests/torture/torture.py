"""Fails the 1st, 2nd, 3rd, … allocation of tallyd, each in a run of its own that goes through a
start, a cold count, a reload, another count, and the end: no crash, no leak, no wrong answer, and
well again where it is still there.

    torture.py PROGRAM [FIRST [LAST]]     PROGRAM: failing.c with tallyd (make torture)
"""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from tests.gateway.client import Gateway
from tests.gateway.tables import ORDERS, Tables
from tests.integration.agent import Agent
from tests.integration.rpc import Rpc, RpcError
from tests.integration.yaml_files import scaled_object, small_object, trigger

WORKERS = max(2, os.cpu_count() or 1)
GIVE_UP_SECONDS = 20
# What a run that could not start may end with: 1 says there was no memory, 2 that a file could not
# be read for want of it.
REFUSED = (1, 2)


class Tortured(Agent):
    """An agent whose process is a child of PROGRAM."""

    def __init__(self, program, world):
        super().__init__(world, small_object(), env={"ASAN_OPTIONS": "exitcode=86"})
        self._log = open(os.path.join(self.folder, "stderr"), "ab")
        self._server = subprocess.Popen(
            [program, "--config", self.config, "--socket", self.socket, "--linger", "0",
             "--grace", "200ms"], env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._log, text=True, cwd=self.folder)
        self._documents = ([small_object()],
                           [small_object(), scaled_object("other", trigger(value={"S": "none"}))])

    def close(self):
        self._server.stdin.close()
        self._server.wait()
        self._log.close()

    def torture(self, number):
        """One run; what became of it, in a word, and how many allocations it had."""
        self._log.truncate(0)
        self.write_config(*self._documents[0])
        self.world.expire()  # each run has to get credentials
        self._server.stdin.write(f"{number}\n")
        self._server.stdin.flush()
        pid = int(self._server.stdout.readline().split()[1])
        told = self._live(pid)
        _, status, allocations = self._server.stdout.readline().split()
        told.append(self._judge(int(status), told))
        return " ".join(told), int(allocations)

    def _live(self, pid):
        """Uses the agent, and ends it."""
        told = []
        try:
            if self._wait(pid):
                self._use(pid, told)
            else:
                told.append("not started")
        except (OSError, TypeError) as error:
            told.append(f"gone ({type(error).__name__})")  # _judge says whether it may be
        finally:
            self._end(pid)
        return told

    def _use(self, pid, told):
        told.append(self._ask("small", 2000))
        self.write_config(*self._documents[1])
        os.kill(pid, signal.SIGHUP)
        end = time.monotonic() + 1
        while "event=reload" not in self.log() and time.monotonic() < end:
            time.sleep(0.002)
        told.append(self._ask("small", 2000))
        told.append(self._ask("other", 2000, wanted=0))
        end = time.monotonic() + 10
        while (last := self._ask("small", 2000)) != "ok":  # after a back-off of 0.25 s
            if time.monotonic() > end:
                raise AssertionError(f"it does not get well: {last}")
            time.sleep(0.05)

    def _end(self, pid):
        end = time.monotonic() + GIVE_UP_SECONDS
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            while not self._is_zombie(pid):
                if time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.002)

    def _wait(self, pid):
        end = time.monotonic() + GIVE_UP_SECONDS
        while not self._listens():
            if not os.path.exists(f"/proc/{pid}") or self._is_zombie(pid):
                return False
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                raise AssertionError("it hangs at the start")
            time.sleep(0.002)
        return True

    @staticmethod
    def _is_zombie(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    def _ask(self, name, timeout_ms, wanted=7):
        # A connection that the agent had no memory for is closed: a client of libtally asks again.
        for attempt in range(3):
            with Rpc(self.socket, timeout=GIVE_UP_SECONDS) as connection:
                try:
                    told = connection.call("count", trigger=name, max_age_ms=0,
                                           timeout_ms=timeout_ms)
                except RpcError as error:
                    return error.name
                except (TypeError, ConnectionError):
                    if attempt == 2:
                        raise
                    continue
                if told["count"] != wanted:
                    raise AssertionError(f"a wrong answer: {told}")
                return "ok" if told["quality"] == "exact" else told["quality"]
        raise AssertionError("never")

    def _judge(self, status, told):
        code = os.waitstatus_to_exitcode(status)
        if code == 0 and "gone" not in told[-1]:
            return "exit 0"
        # It may have listened already, but never served anybody.
        if code in REFUSED and len(told) == 1 and told[0].startswith(("not started", "gone")):
            return f"exit {code}"
        raise AssertionError(f"ended with {code} after: {' '.join(told)}")


class Shared:
    """The next number for whoever is free, and what came of the last."""

    def __init__(self, first, last):
        self._lock = threading.Lock()
        self._next, self.last = first, last
        self.outcomes = collections.Counter()
        self.wrong = []

    def take(self):
        with self._lock:
            if self._next > self.last or len(self.wrong) >= 5:
                return None
            self._next += 1
            return self._next - 1

    def note(self, outcome):
        with self._lock:
            self.outcomes[outcome] += 1


def work(program, gateway, shared):
    world = gateway.world()
    agent = Tortured(program, world)
    try:
        while (number := shared.take()) is not None:
            try:
                shared.note(agent.torture(number)[0])
            except AssertionError as error:
                shared.wrong.append(f"allocation {number}: {error}\n{agent.log()[-3000:]}")
                agent.close()
                agent = Tortured(program, world)
    finally:
        agent.close()
        world.close()


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(folder)
        try:
            tables = Tables(gateway.dynamodb_local)
            tables.create(ORDERS)
            tables.fill_orders("small", 7)
            world = gateway.world()
            agent = Tortured(program, world)
            outcome, allocations = agent.torture(0)
            agent.close()
            assert outcome == "ok ok ok exit 0", outcome
            first = int(sys.argv[2]) if len(sys.argv) > 2 else 1
            shared = Shared(first, int(sys.argv[3]) if len(sys.argv) > 3 else allocations)
            workers = [threading.Thread(target=work, args=[program, gateway, shared])
                       for _ in range(WORKERS)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        finally:
            gateway.stop()
    print(f"{allocations} allocations in a run in which none fails")
    for outcome, number in shared.outcomes.most_common():
        print(f"{number:7} {outcome}")
    for report in shared.wrong:
        print(report)
    print(f"{sum(shared.outcomes.values())} passed, {len(shared.wrong)} failed")
    return 1 if shared.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
