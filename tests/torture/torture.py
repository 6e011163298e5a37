# SPDX-License-Identifier: Apache-2.0
"""Fails the 1st, 2nd, 3rd, … allocation of tallyd, each in its own run with a start, a cold count, a
reload, more counts, and the exit: no crash, no leak, no wrong answer, and recovery if it still runs.
Then those of tally-bridge, and of the command.

    torture.py [PROGRAM [FIRST [LAST]]]     TALLY_BUILD: a sanitizer build (make torture)
"""

import collections
import contextlib
import os
import shutil
import signal
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from tests.gateway.client import temporary_gateway
from tests.gateway.tables import ORDERS
from tests.integration.agent import Agent
from tests.integration.rpc import Rpc, RpcError
from tests.integration.yaml_files import scaled_object, small_object, trigger
from tests.torture.bridge import TorturedBridge
from tests.torture.command import torture_command
from tests.torture.program import GIVE_UP_SECONDS, Program, child_is_over, end_child

WORKERS = max(2, os.cpu_count() or 1)
# Exit codes of a run that could not start: 1 means out of memory, 2 that a file could not be read for
# lack of memory.
REFUSED = (1, 2)


class Tortured(Agent):
    """An agent whose process is a child of Program."""

    def __init__(self, world):
        super().__init__(world, small_object(), env={"ASAN_OPTIONS": "exitcode=86"})
        self._program = Program(
            "tallyd", ["--config", self.config, "--socket", self.socket, "--linger", "0",
                       "--grace", "200ms"], self.env, self.folder, self._log_path)
        self._documents = ([small_object()],
                           [small_object(), scaled_object("other", trigger(value={"S": "none"}))])

    def close(self):
        self._program.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def torture(self, number):
        """One run; returns its outcome in a word, and its number of allocations."""
        self.write_config(*self._documents[0])
        pid = self._program.start(number)
        answer = self._live(pid)
        code, allocations = self._program.ended()
        answer.append(self._judge(code, answer))
        return " ".join(answer), allocations

    def _live(self, pid):
        """Uses the agent, and stops it."""
        answer = []
        try:
            if self._wait(pid):
                self._use(pid, answer)
            else:
                answer.append("not started")
        except (OSError, TypeError) as error:
            answer.append(f"gone ({type(error).__name__})")  # _judge decides whether this is allowed
            end = time.monotonic() + 5  # it is exiting, and ignores signals
            while not child_is_over(pid) and time.monotonic() < end:
                time.sleep(0.002)
        finally:
            end_child(pid)
        return answer

    def _use(self, pid, result):
        result.append(self._ask("small", {"ok", "INTERNAL"}))
        self.write_config(*self._documents[1])
        reloaded = self._reload(pid)
        # The last count may be the answer while the next one fails.
        result.append(self._ask("small", {"ok", "INTERNAL", "stale"}))
        result.append(self._ask("other", {"ok", "INTERNAL"} if reloaded else {"UNKNOWN_TRIGGER"},
                              wanted=0))
        if not reloaded and not self._reload(pid):
            raise AssertionError("it does not take the configuration")
        for name, wanted in (("small", 7), ("other", 0)):
            end = time.monotonic() + 10
            while self._ask(name, {"ok", "INTERNAL", "stale"}, wanted) != "ok":  # it backs off
                if time.monotonic() > end:
                    raise AssertionError(f"{name} does not get well")
                time.sleep(0.05)

    def _reload(self, pid):
        """Whether the changed configuration is in force; if not, the log must say so. (The log line of
        a success may have been lost for lack of memory.)"""
        failures = self.log().count("event=reload_failed")
        os.kill(pid, signal.SIGHUP)
        end = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < end:
            if self.log().count("event=reload_failed") > failures:
                return False
            with contextlib.suppress(RpcError, TypeError, ConnectionError):
                with Rpc(self.socket, timeout=GIVE_UP_SECONDS) as connection:
                    if connection.call("status")["config"]["triggers"] == 2:
                        return True
            time.sleep(0.005)
        raise AssertionError("nothing came of the reload")

    def _wait(self, pid):
        end = time.monotonic() + GIVE_UP_SECONDS
        while not self._listens():
            if child_is_over(pid):
                return False
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                raise AssertionError("it hangs at the start")
            time.sleep(0.002)
        return True

    def _ask(self, name, allowed, wanted=7):
        result = self._count(name, wanted)
        if result not in allowed:
            raise AssertionError(f"a wrong answer for {name}: {result}")
        return result

    def _count(self, name, wanted):
        # If the agent had no memory for a connection, it closed it; libtally reconnects.
        for attempt in range(3):
            with Rpc(self.socket, timeout=GIVE_UP_SECONDS) as connection:
                try:
                    result = connection.call("count", trigger=name, max_age_ms=0, timeout_ms=15_000)
                except RpcError as error:
                    return error.name
                except (TypeError, ConnectionError):
                    if attempt == 2:
                        raise
                    continue
                if result["count"] != wanted:
                    raise AssertionError(f"a wrong answer: {result}")
                return "ok" if result["quality"] == "exact" else result["quality"]
        raise AssertionError("never")

    def _judge(self, code, answer):
        if code == 0 and "gone" not in answer[-1]:
            return "exit 0"
        # It may have listened already, but never served a client.
        if code in REFUSED and len(answer) == 1 and answer[0].startswith(("not started", "gone")):
            if not self.log().strip():
                raise AssertionError(f"ended with {code} and did not say why")
            return f"exit {code}"
        raise AssertionError(f"ended with {code} after: {' '.join(answer)}")


class Shared:
    """Gives the next number to a free worker, and records the result of the last."""

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

    def tell(self, what, allocations):
        """Prints one line for each outcome; returns the numbers of passed and failed runs."""
        print(f"{what}: {allocations} allocations where none fails")
        for outcome, number in self.outcomes.most_common():
            print(f"{number:7} {outcome}")
        for report in self.wrong:
            print(report)
        return sum(self.outcomes.values()), len(self.wrong)


def work(create, shared):
    """`create` makes what is tortured."""
    tortured = create()
    try:
        while (number := shared.take()) is not None:
            try:
                shared.note(tortured.torture(number)[0])
            except Exception as error:  # any exception fails this number
                shared.wrong.append(f"allocation {number}: {error!r}\n{tortured.log()[-3000:]}")
                tortured.close()
                tortured = create()
    finally:
        tortured.close()


def torture_program(what, create, well, first, last):
    """Fails each allocation. `well`: the outcome of a run where none fails."""
    tortured = create()
    outcome, allocations = tortured.torture(0)
    tortured.close()
    assert outcome == well, outcome
    shared = Shared(first, last or allocations)
    workers = [threading.Thread(target=work, args=[create, shared]) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return shared.tell(what, allocations)


def torture_agent(gateway, first, last):
    worlds = []

    def create():
        worlds.append(gateway.world())
        return Tortured(worlds[-1])

    try:
        return torture_program("tallyd: start, cold count, reload, counts, end", create,
                               "ok ok ok exit 0", first, last)
    finally:
        for world in worlds:
            world.close()


def torture_bridge(gateway, first, last):
    world = gateway.world()
    agent = Agent(world, small_object(), options=["--linger", "0"])
    try:
        agent.start()
        return torture_program("tally-bridge: start, calls and pages, twice, end",
                               lambda: TorturedBridge(agent), "exit 0, failed: nothing",
                               first, last)
    finally:
        agent.finish()
        world.close()


def torture_verbs(gateway, *_):
    world = gateway.world()
    shared = Shared(0, 0)
    allocations = torture_command(world, shared.note, shared.wrong.append)
    world.close()
    return shared.tell("tally: each of its verbs", allocations)


def main():
    programs = {"tallyd": torture_agent, "tally-bridge": torture_bridge, "tally": torture_verbs}
    wanted, first, last = (sys.argv[1:] + ["", 1, 0][len(sys.argv) - 1:])[:3]
    with temporary_gateway(ORDERS) as (gateway, tables):
        tables.fill_orders("small", 7)
        results = [torture(gateway, int(first), int(last))
                   for name, torture in programs.items() if wanted in ("", name)]
    passed, failed = (sum(numbers) for numbers in zip(*results))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
