# SPDX-License-Identifier: Apache-2.0
"""The record of every connection and every request, for tests to count and to inspect."""

import hashlib
import time
from collections import Counter, deque

from .usage import Usage

REQUESTS_KEPT = 100_000
# The ledger contains no secrets, so that a test may print it.
MASKED = ("authorization", "x-amz-security-token", "x-aws-ec2-metadata-token")


class Ledger:
    def __init__(self):
        self.connections = Counter()  # by service, ever
        self.open = Counter()  # by service, now
        self.calls = Counter()  # by "service:action"
        self.requests = deque(maxlen=REQUESTS_KEPT)
        self.in_flight = Counter()
        self.in_flight_max = Counter()
        self.usage = Usage()  # by table

    def connected(self, service):
        self.connections[service] += 1
        self.open[service] += 1
        return self.connections[service]

    def disconnected(self, service):
        self.open[service] -= 1

    def started(self, service, action, request):
        """A new entry; the service adds the caller, `finished` adds the result."""
        self.calls[f"{service}:{action}"] += 1
        self.in_flight[service] += 1
        self.in_flight_max[service] = max(self.in_flight_max[service], self.in_flight[service])
        entry = {
            "service": service,
            "action": action,
            "number": self.calls[f"{service}:{action}"],
            "time": time.time(),
            "connection": request.connection,
            "method": request.method,
            "target": request.target,
            "headers": {name.lower(): "***" if name.lower() in MASKED else value
                        for name, value in request.headers},
            "body_sha256": hashlib.sha256(request.body).hexdigest(),
            "body": "",
            "access_key": "",
            "table": "",
            "read_units": 0.0,
            "write_units": 0.0,
            "status": 0,
            "code": "",
        }
        self.requests.append(entry)
        return entry

    def finished(self, service, entry, reply):
        self.in_flight[service] -= 1
        if reply is not None:
            entry.update(status=reply.status, code=reply.code, seconds=time.time() - entry["time"])
        self.usage.add(entry, reply)

    def clear(self):
        self.connections.clear()
        self.calls.clear()
        self.requests.clear()
        self.in_flight_max.clear()
        self.usage.clear()

    def summary(self):
        return {
            "connections": dict(self.connections),
            "open": dict(self.open),
            "calls": dict(self.calls),
            "in_flight_max": dict(self.in_flight_max),
        }
