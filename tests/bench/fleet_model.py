# SPDX-License-Identifier: Apache-2.0
"""A model of a fleet of agents that share one count through a record in DynamoDB.

    /usr/bin/python3 -m tests.bench.fleet_model [--pods N ...] [--asks KIND ...]
                                                [--without RULE ...]

It counts what reaches the key of one record: read and write units, refused conditional writes, and
counts; and how old the newest number became. It runs no agent and no DynamoDB.

Assumptions
  DynamoDB   One partition serves 3,000 read units and 1,000 write units in a second, without burst
             capacity; what exceeds that is throttled, and is in the figures as asked for. GetItem,
             eventually consistent: 0.5 units, 4 ms and an exponential 2 ms; one read of three comes
             from a replica that is an exponential 20 ms behind. UpdateItem: 1 unit, also where its
             condition is refused, 6 ms and an exponential 3 ms.
  Pods       All have the same question and accept a number of at most --max-age. Clients ask once
             in each --interval: "spread", each pod at a moment of its own; "step", all pods within
             10 ms, from the first moment on. "warm": the agent refreshes without clients, and all
             pods start at once. A client gets its own agent's number while that is young enough.
  A count    takes --count seconds, uniformly plus or minus 50 %. With the probability --deaths its
             owner ends at a random moment of it; it is back, without memory, when its client asks
             next, or after 2 s.
  Clocks     Each pod's idea of AWS's time is off by at most --clock-error: the Date header hides up
             to one second. A part of --wrong-clocks is off by ten minutes.
  Clients    wait 5 s; what comes later is a timeout. The agent's search goes on meanwhile.

Rules, each of which --without switches off
  lease      A record whose lease is alive is not written: the pod waits for its owner.
  seen       The lease is taken on condition that the record is still the one that was read.
  early      A number that is young enough is counted again by the pod that reads it in its last
             5 %, with a probability that rises: age >= max-age - took * -ln(random).
  timer      Before it takes the free lease of a number that is too old, a pod waits 250 ms or its
             window, times 1 + ln(random) / ln(10,000), and reads again. The last owner does not.
  doubling   A pod that waits for an owner reads again when the count is expected to end (began +
             took of the last) and then a random part of 250 ms (3 s without a client) or of half of
             what the last count took; then after 500 ms (4 s) that double to 4 s, each times 0.5 to
             1.5. Without it: after 250 ms to 2 s.
  jitter     An agent's own refreshes come at 0.95 to 1.2 of max-age, and where they find the number
             that the agent has, 0.1 to 0.3 of max-age later; the first comes within 4 s of the
             start. Without it: at max-age.
  throttled  A throttled call doubles the pod's window, 1 s to 4 s, and is made again after a random
             part of it. Each number shrinks the window by 5 %; while there is one, a look waits a
             random part of it first. Without it: the pod counts alone.
  future     A time in the record that lies more than 2 s ahead, or a lease that ends more than 2 s
             later than a new one would, is not believed.
"""

import argparse
import collections
import heapq
import math
import random
import sys
import time

from . import table

RULES = ("lease", "seen", "early", "timer", "doubling", "jitter", "throttled", "future")
ASKS = ("spread", "step", "warm")
FLEETS = (1, 10, 100, 1_000, 10_000)

READ_LIMIT, WRITE_LIMIT = 3_000, 1_000  # units a second, of one partition
READ_UNITS, WRITE_UNITS = 0.5, 1.0
LEASE = 15.0  # renewed each third of it
EARLY = 0.05  # of max-age
TIMER, TIMER_PODS = 0.25, 10_000
AGAIN_LEAST, AGAIN_MOST, AGAIN_IDLE, AGAIN_TOOK = 0.25, 4.0, 3.0, 0.5
FUTURE = 2.0  # seconds that a time in the record may lie ahead
JITTER, JITTER_AGAIN = (0.95, 1.2), (0.1, 0.3)  # of max-age
JITTER_START = 4.0
THROTTLED_LEAST, THROTTLED_MOST, DECAY = 1.0, 4.0, 0.95
DEADLINE = 5.0
RESTART = 2.0
WRONG_CLOCK = 600.0

NEVER = -math.inf

Record = collections.namedtuple("Record", "completed took owner began lease_end")


class Pod:
    __slots__ = ("number", "completed", "clock", "seeking", "waiting", "again", "window", "life")

    def __init__(self, number, clock):
        self.number, self.clock = number, clock
        self.life = 0
        self.window = 0.0
        self.forget()

    def forget(self):
        self.completed = NEVER
        self.seeking = False
        self.waiting = None  # since when a client waits
        self.again = 0
        self.life += 1


class Meter:
    """Units of each second, and what is refused above the limit."""

    def __init__(self, limit):
        self._limit = limit
        self.wanted, self.served = collections.Counter(), collections.Counter()

    def take(self, now, units):
        second = int(now)
        self.wanted[second] += units
        if self.served[second] + units > self._limit:
            return False
        self.served[second] += units
        return True

    def busiest(self, since):
        return max((units for second, units in self.wanted.items() if second >= since), default=0)

    def mean(self, since, until):
        return sum(units for second, units in self.wanted.items() if second >= since) / (
            until - since)


class Fleet:
    def __init__(self, pods, asks="spread", rules=RULES, interval=15.0, max_age=15.0, count=0.5,
                 deaths=0.0, clock_error=0.5, wrong_clocks=0.0, lease=LEASE, seed=1):
        self._random = random.Random(seed)
        self._asks, self._interval, self._max_age = asks, interval, max_age
        self._count, self._deaths, self._lease_seconds = count, deaths, lease
        for rule in RULES:
            setattr(self, f"_{rule}", rule in rules)
        self._pods = [Pod(number, self._random.uniform(-clock_error, clock_error))
                      for number in range(pods)]
        for pod in self._random.sample(self._pods, round(wrong_clocks * pods)):
            pod.clock = self._random.choice((-WRONG_CLOCK, WRONG_CLOCK))
        self._events, self._order = [], 0
        self.now = 0.0
        # Versions of the record, newest last, for readers that are behind.
        self._versions = [(NEVER, Record(NEVER, 0.0, None, 0.0, NEVER))]
        self.reads, self.writes = Meter(READ_LIMIT), Meter(WRITE_LIMIT)
        self.refused, self.throttled = collections.Counter(), collections.Counter()  # by second
        self.counts = []  # when each ended
        self.alone = []
        self.waits = []  # (when, how long) of each answer to a client
        self.died = 0
        for pod in self._pods:
            first = self._random.uniform(0, interval if asks == "spread" else 0.01)
            if asks == "warm" and self._jitter:
                first = self._random.uniform(0, JITTER_START)
            self._at(first, self._ask if asks != "warm" else self._seek, pod)

    # ---- time ----

    def _at(self, delay, what, *arguments):
        self._order += 1
        heapq.heappush(self._events, (self.now + delay, self._order, what, arguments))

    def run(self, seconds):
        while self._events and self._events[0][0] < seconds:
            self.now, _, what, arguments = heapq.heappop(self._events)
            what(*arguments)
        self.now = seconds
        return self

    # ---- DynamoDB ----

    def _get(self, pod, then):
        if not self.reads.take(self.now, READ_UNITS):
            self._on_throttled(pod)
            return
        behind = self._random.expovariate(50) if self._random.random() < 1 / 3 else 0.0
        seen = self.now + 0.002 - behind
        version = next((record for at, record in reversed(self._versions) if at <= seen),
                       self._versions[0][1])
        self._at(0.004 + self._random.expovariate(500), self._alive, pod, pod.life, then, version)

    def _put(self, record):
        self._versions.append((self.now, record))
        if len(self._versions) > 512:
            del self._versions[:256]

    def _latest(self):
        return self._versions[-1][1]

    def _write_delay(self):
        return 0.006 + self._random.expovariate(333)

    def _alive(self, pod, life, then, *arguments):
        if pod.life == life:
            then(pod, *arguments)

    def _on_throttled(self, pod):
        self.throttled[int(self.now)] += 1
        if not self._throttled:
            self._count_alone(pod)
            return
        pod.window = min(max(2 * pod.window, THROTTLED_LEAST), THROTTLED_MOST)
        self._at(self._random.uniform(0, pod.window), self._alive, pod, pod.life, self._look)

    # ---- clients and the agent's own refreshes ----

    def _ask(self, pod):
        jitter = self._random.uniform(-0.005, 0.005)
        self._at(self._interval + jitter, self._ask, pod)
        if self._is_fresh(pod, pod.completed):
            self.waits.append((self.now, 0.0))
            return
        if pod.waiting is None:
            pod.waiting = self.now
        self._seek(pod)

    def _seek(self, pod):
        if not pod.seeking:
            pod.seeking = True
            pod.again = 0
            if pod.window:
                delay = self._random.uniform(0, pod.window)
                self._at(delay, self._alive, pod, pod.life, self._look)
            else:
                self._look(pod)

    def _answer_waiting(self, pod):
        if pod.waiting is not None:
            self.waits.append((self.now, self.now - pod.waiting))
            pod.waiting = None

    def _has(self, pod, completed):
        """The pod has a number that is young enough."""
        is_new = completed > pod.completed
        pod.completed = max(pod.completed, completed)
        pod.seeking = False
        pod.window = pod.window * DECAY if pod.window > 0.05 else 0.0
        self._answer_waiting(pod)
        if self._asks == "warm":
            self._at(self._until_refresh(pod, is_new), self._alive, pod, pod.life, self._seek)

    def _until_refresh(self, pod, is_new):
        if not is_new:  # read too early
            return self._random.uniform(*JITTER_AGAIN) * self._max_age
        part = self._random.uniform(*JITTER) if self._jitter else 1.0
        return max(pod.completed + part * self._max_age - self.now, 0.0)

    def _is_fresh(self, pod, completed):
        age = self.now + pod.clock - completed
        return age <= self._max_age and (age >= -FUTURE or not self._future)

    def _is_leased(self, pod, record):
        rest = record.lease_end - self.now - pod.clock
        return rest > 0 and (rest <= self._lease_seconds + FUTURE or not self._future)

    # ---- the record ----

    def _look(self, pod):
        self._get(pod, self._looked)

    def _look_last(self, pod):
        self._get(pod, self._looked_last)

    def _looked_last(self, pod, record):
        self._looked(pod, record, last=True)

    def _looked(self, pod, record, last=False):
        leased = self._is_leased(pod, record)
        if self._is_fresh(pod, record.completed):
            if not leased and self._is_due(pod, record):
                self._take(pod, record)  # the client has its answer meanwhile
                pod.completed = max(pod.completed, record.completed)
                self._answer_waiting(pod)
            else:
                self._has(pod, record.completed)
        elif leased and self._lease:
            self._wait(pod, record)
        elif self._timer and not last and record.owner != pod.number:
            part = 1 + math.log(1 - self._random.random()) / math.log(TIMER_PODS)
            delay = max(TIMER, pod.window) * max(part, 0.0)
            self._at(delay, self._alive, pod, pod.life, self._look_last)
        else:
            self._take(pod, record)

    def _is_due(self, pod, record):
        """Whether a number that is young enough is to be counted again already."""
        age = self.now + pod.clock - record.completed
        if self._asks == "warm" and not self._early:
            return age >= self._max_age
        if not self._early or age < (1 - EARLY) * self._max_age:
            return False
        took = max(record.took, 0.1)
        return age >= self._max_age + took * math.log(1 - self._random.random())

    def _wait(self, pod, record):
        least = AGAIN_LEAST if pod.waiting is not None else AGAIN_IDLE
        if self._doubling and pod.again == 0:
            spread = max(least, AGAIN_TOOK * record.took, pod.window)
            delay = max(record.began + record.took - self.now - pod.clock, 0.0)
            delay += self._random.uniform(0, spread)
        elif self._doubling:
            step = max(min(least * 2 ** pod.again, AGAIN_MOST), pod.window)
            delay = step * self._random.uniform(0.5, 1.5)
        else:
            delay = self._random.uniform(0.25, 2.0)
        pod.again += 1
        self._at(delay, self._alive, pod, pod.life, self._look)

    def _take(self, pod, record):
        if not self.writes.take(self.now, WRITE_UNITS):
            self._on_throttled(pod)
            return
        self._at(self._write_delay() / 2, self._alive, pod, pod.life, self._taken, record)

    def _taken(self, pod, seen):
        """The UpdateItem arrives."""
        latest = self._latest()
        now = self.now + pod.clock
        changed = self._seen and latest.completed != seen.completed
        if self._is_leased(pod, latest) or changed:
            self.refused[int(self.now)] += 1
            self._at(self._write_delay() / 2, self._alive, pod, pod.life, self._looked, latest)
            return
        self._put(latest._replace(owner=pod.number, began=now, lease_end=now + self._lease_seconds))
        self._start_count(pod)

    # ---- counts ----

    def _start_count(self, pod):
        took = self._count * self._random.uniform(0.5, 1.5)
        if self._random.random() < self._deaths:
            self._at(self._random.uniform(0, took), self._alive, pod, pod.life, self._die)
        self._at(took, self._alive, pod, pod.life, self._counted, took)
        renew = self._lease_seconds / 3
        for number in range(1, int(took / renew) + 1):
            self._at(number * renew, self._alive, pod, pod.life, self._renew)

    def _renew(self, pod):
        latest = self._latest()
        if latest.owner == pod.number and self.writes.take(self.now, WRITE_UNITS):
            self._put(latest._replace(lease_end=self.now + pod.clock + self._lease_seconds))

    def _die(self, pod):
        self.died += 1
        pod.forget()
        if self._asks == "warm":
            self._at(RESTART, self._seek, pod)

    def _counted(self, pod, took):
        self.counts.append(self.now)
        self.writes.take(self.now, WRITE_UNITS)
        if self._latest().owner == pod.number:
            self._put(Record(self.now + pod.clock, took, pod.number, 0.0, NEVER))
        self._has(pod, self.now + pod.clock)

    def _count_alone(self, pod):
        self.alone.append(self.now)
        took = self._count * self._random.uniform(0.5, 1.5)
        self._at(took, self._alive, pod, pod.life, self._counted_alone)

    def _counted_alone(self, pod):
        self.counts.append(self.now)
        self._has(pod, self.now + pod.clock)

    # ---- what is reported ----

    def longest_without(self, since):
        """The longest time in which the newest number was too old."""
        ends = [0.0, *sorted(self.counts), self.now]
        return max(max(after - before - self._max_age, 0.0)
                   for before, after in zip(ends, ends[1:]) if after >= since)

    def figures(self, since):
        """By name, from the second `since` on; what has "first" in its name from 0 on."""
        seconds = self.now - since
        waits = sorted(wait for at, wait in self.waits if at >= since) or [0.0]
        late = sum(wait > DEADLINE for wait in waits)
        return {
            "reads": self.reads.mean(since, self.now),
            "reads, busiest": self.reads.busiest(since),
            "writes": self.writes.mean(since, self.now),
            "writes, busiest": self.writes.busiest(since),
            "refused, busiest": max(_since(self.refused, since).values(), default=0),
            "throttled, busiest": max(_since(self.throttled, since).values(), default=0),
            "counts": sum(at >= since for at in self.counts) * self._max_age / seconds,
            "alone": sum(at >= since for at in self.alone),
            "without": self.longest_without(since),
            "p99 wait": waits[int(len(waits) * 0.99)],
            "late %": 100 * late / len(waits),
            "first reads": self.reads.busiest(0),
            "first writes": self.writes.busiest(0),
        }


def _since(by_second, since):
    return {second: number for second, number in by_second.items() if second >= since}


COLUMNS = {
    "reads": "read units/s, mean",
    "reads, busiest": "in the busiest second",
    "writes": "write units/s, mean",
    "writes, busiest": "in the busiest second",
    "refused, busiest": "refused writes, busiest second",
    "throttled, busiest": "throttled, busiest second",
    "counts": "counts each max-age",
    "without": "longest without a fresh number, s",
    "p99 wait": "99 % of clients waited less, s",
    "late %": "timeouts, %",
    "first reads": "read units, busiest second of the start",
    "first writes": "write units, busiest second of the start",
}
LIMITS = {"reads, busiest": READ_LIMIT, "writes, busiest": WRITE_LIMIT, "first reads": READ_LIMIT,
          "first writes": WRITE_LIMIT}


def parse():
    parser = argparse.ArgumentParser(prog="tests.bench.fleet_model", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, nargs="+", default=FLEETS, metavar="N")
    parser.add_argument("--asks", nargs="+", choices=ASKS, default=ASKS, metavar="KIND",
                        help=", ".join(ASKS))
    parser.add_argument("--without", nargs="+", choices=RULES, default=(), metavar="RULE",
                        help=", ".join(RULES))
    parser.add_argument("--deaths", type=float, nargs="+", default=(0.0, 0.1), metavar="PART")
    for name, default, what in (
            ("interval", 15.0, "seconds"), ("max-age", 15.0, "seconds"), ("count", 0.5, "seconds"),
            ("clock-error", 0.5, "seconds"), ("wrong-clocks", 0.0, "part of the pods"),
            ("lease", LEASE, "seconds"), ("seconds", 240.0, "how long the fleet runs"),
            ("warm-up", 90.0, "seconds that are not in the figures, but for those of the start")):
        parser.add_argument(f"--{name}", type=float, default=default, help=f"{what}, {default:g}")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def measure(options, asks, deaths, pods):
    fleet = Fleet(pods, asks, [rule for rule in RULES if rule not in options.without],
                  options.interval, options.max_age, options.count, deaths, options.clock_error,
                  options.wrong_clocks, options.lease, options.seed)
    return fleet.run(options.seconds).figures(options.warm_up)


def main():
    options = parse()
    for asks in options.asks:
        for deaths in options.deaths:
            started = time.monotonic()
            rows = {f"{pods:,} pods": measure(options, asks, deaths, pods)
                    for pods in options.pods}
            table.grid(f'Clients ask "{asks}", {100 * deaths:g} % of the owners end within a count',
                       rows, COLUMNS, LIMITS)
            print(f"  ({time.monotonic() - started:.1f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
