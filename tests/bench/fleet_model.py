# SPDX-License-Identifier: Apache-2.0
"""A model of the fleet that shares one count through a record in DynamoDB.

    /usr/bin/python3 -m tests.bench.fleet_model [--pods N ...] [--asks KIND ...] [--without RULE ...]

It counts what reaches the key of one record: read and write units in the busiest second, refused
conditional writes, Queries, and how old the newest number was. It runs no agent and no DynamoDB.

Assumptions
  DynamoDB   One partition serves 3,000 read units and 1,000 write units in a second, with no burst
             capacity; what exceeds that is throttled. GetItem, eventually consistent: 0.5 units,
             4 ms and an exponential 2 ms; one read in three comes from a replica that is an
             exponential 20 ms behind. UpdateItem: 1 unit, also where its condition is refused, 6 ms
             and an exponential 3 ms.
  Pods       All have the same question, and accept a number of at most --max-age. Clients ask each
             --interval ("spread": each pod at a moment of its own; "step": all pods at the same
             moment, within 10 ms), or the agent refreshes without a client ("warm"). A pod starts
             without a number, and asks within its first interval ("spread") or at once.
  A count    takes --count seconds, uniformly ±50 %. The owner of the lease ends with probability
             --deaths at a random moment of its count, and starts again 2 s later without memory.
  Clocks     Each pod's idea of AWS's time is off by at most --clock-error, uniformly: the Date
             header hides up to one second.
  Clients    wait 5 s; an answer that comes later is a timeout. The agent goes on meanwhile.

Rules, each of which --without switches off
  lease      A record whose lease is alive is not written: the pod waits for it.
  seen       The lease is taken on condition that the record is still the one that was read.
  early      A number that is young enough, but near its end, is counted anew by the pod that reads
             it, with a probability that rises: age >= max-age - took * -ln(U), in the last 5 %.
  timer      Before it takes a free lease of a number that ended, a pod waits a random time and reads
             again. The last owner does not wait, so that it is usually alone.
  doubling   Who waits for the owner reads again when the count is expected to end, then after waits
             that double from 250 ms to 4 s, each times 0.5 to 1.5.
  jitter     The agent's own refreshes come at 0.95 to 1.15 of max-age.
  throttled  A throttled call is made again after a random wait within a window that doubles from
             500 ms to 4 s. Without it, the pod counts alone.
"""

import argparse
import collections
import heapq
import math
import random
import sys
import time

from . import table
from .rounds import Row

RULES = ("lease", "seen", "early", "timer", "doubling", "jitter", "throttled", "future")
ASKS = ("spread", "step", "warm")
FLEETS = (1, 10, 100, 1_000, 10_000)

READ_LIMIT, WRITE_LIMIT = 3_000, 1_000  # units a second, of one partition
READ_UNITS, WRITE_UNITS = 0.5, 1.0
LEASE, RENEW = 15.0, 5.0
EARLY = 0.05  # of max-age
TIMER, TIMER_PODS = 0.25, 10_000
AGAIN_LEAST, AGAIN_MOST, AGAIN_IDLE, AGAIN_TOOK = 0.25, 4.0, 2.0, 0.5
FUTURE = 2.0  # seconds that a time in the record may lie ahead
JITTER = (0.95, 1.15)  # of max-age
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
                 deaths=0.0, clock_error=0.5, wrong_clocks=0.0, seed=1):
        self._random = random.Random(seed)
        self._asks, self._interval, self._max_age = asks, interval, max_age
        self._count, self._deaths = count, deaths
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
        self.refused = collections.Counter()  # by second
        self.throttled = self.timeouts = self.answers = self.alone = 0
        self.counts = []  # when each ended
        self.waits = [0.0]
        self.died = 0
        for pod in self._pods:
            first = self._random.uniform(0, interval if asks == "spread" else 0.01)
            self._at(first, self._ask if asks != "warm" else self._refresh, pod)

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
            self._on_throttled(pod, then)
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

    def _on_throttled(self, pod, then):
        self.throttled += 1
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
            self._answer(0.0)
            return
        if pod.waiting is None:
            pod.waiting = self.now
        self._seek(pod)

    def _refresh(self, pod):
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

    def _answer(self, wait):
        self.answers += 1
        self.timeouts += wait > DEADLINE
        self.waits.append(wait)

    def _has(self, pod, completed):
        """The pod has a number that is young enough."""
        pod.completed = max(pod.completed, completed)
        pod.seeking = False
        pod.window = pod.window * DECAY if pod.window > 0.05 else 0.0
        if pod.waiting is not None:
            self._answer(self.now - pod.waiting)
            pod.waiting = None
        if self._asks == "warm":
            part = self._random.uniform(*JITTER) if self._jitter else 1.0
            due = max(pod.completed + part * self._max_age - self.now, 0.0)
            self._at(due, self._alive, pod, pod.life, self._refresh)

    def _is_fresh(self, pod, completed):
        age = self.now + pod.clock - completed
        return age <= self._max_age and (age >= -FUTURE or not self._future)

    def _is_leased(self, pod, record):
        rest = record.lease_end - self.now - pod.clock
        return rest > 0 and (rest <= LEASE + FUTURE or not self._future)

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
                if pod.waiting is not None:
                    self._answer(self.now - pod.waiting)
                    pod.waiting = None
                return
            self._has(pod, record.completed)
        elif leased and self._lease:
            self._wait(pod, record)
        elif self._timer and not last and record.owner != pod.number:
            part = 1 + math.log(1 - self._random.random()) / math.log(TIMER_PODS)
            self._at(max(TIMER, pod.window) * max(part, 0.0), self._alive, pod, pod.life, self._look_last)
        else:
            self._take(pod, record)

    def _is_due(self, pod, record):
        """Whether a fresh number is to be counted anew already."""
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
            self._on_throttled(pod, None)
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
        self._put(latest._replace(owner=pod.number, began=now, lease_end=now + LEASE))
        self._start_count(pod)

    # ---- counts ----

    def _start_count(self, pod):
        took = self._count * self._random.uniform(0.5, 1.5)
        if self._random.random() < self._deaths:
            self._at(self._random.uniform(0, took), self._alive, pod, pod.life, self._die)
        self._at(took, self._alive, pod, pod.life, self._counted, took)
        for number in range(1, int(took / RENEW) + 1):
            self._at(number * RENEW, self._alive, pod, pod.life, self._renew)

    def _renew(self, pod):
        latest = self._latest()
        if latest.owner == pod.number and self.writes.take(self.now, WRITE_UNITS):
            self._put(latest._replace(lease_end=self.now + pod.clock + LEASE))

    def _die(self, pod):
        self.died += 1
        pod.forget()
        if self._asks == "warm":
            self._at(RESTART, self._refresh, pod)

    def _counted(self, pod, took):
        self.counts.append(self.now)
        self.writes.take(self.now, WRITE_UNITS)
        if self._latest().owner == pod.number:
            self._put(Record(self.now + pod.clock, took, pod.number, 0.0, NEVER))
        self._has(pod, self.now + pod.clock)

    def _count_alone(self, pod):
        self.alone += 1
        took = self._count * self._random.uniform(0.5, 1.5)
        self._at(took, self._alive, pod, pod.life, self._counted_alone)

    def _counted_alone(self, pod):
        self.counts.append(self.now)
        self._has(pod, self.now + pod.clock)

    # ---- what is reported ----

    def oldest(self, since):
        """The greatest age that the newest number reached."""
        ends = sorted(self.counts) + [self.now]
        return max((after - before for before, after in zip(ends, ends[1:]) if after >= since),
                   default=self.now)


def measure(fleet, seconds, warm_up):
    fleet.run(seconds)
    since = int(warm_up)
    waits = sorted(fleet.waits)
    return {
        "read units/s, mean": fleet.reads.mean(since, seconds),
        "read units/s, busiest": fleet.reads.busiest(since),
        "read units/s, busiest at start": fleet.reads.busiest(0),
        "write units/s, mean": fleet.writes.mean(since, seconds),
        "write units/s, busiest": fleet.writes.busiest(since),
        "write units/s, busiest at start": fleet.writes.busiest(0),
        "refused writes/s, busiest": max((number for second, number in fleet.refused.items()
                                          if second >= since), default=0),
        "throttled": fleet.throttled,
        "counts each max-age": sum(at >= since for at in fleet.counts) * fleet._max_age / (
            seconds - since),
        "oldest number": fleet.oldest(since),
        "timeouts": 100 * fleet.timeouts / max(fleet.answers, 1),
        "wait p99": waits[int(len(waits) * 0.99)],
        "alone": fleet.alone,
    }
