# SPDX-License-Identifier: Apache-2.0
"""Fault injection: which calls a fault affects, and how."""

from dataclasses import asdict, dataclass, field, fields


@dataclass
class Fault:
    # Which calls. Those that match service, action and table are counted from 1, for each fault
    # alone.
    service: str = "dynamodb"
    action: str = "*"
    table: str = "*"  # of DynamoDB
    on: list = None  # only these call numbers
    skip: int = 0  # skip this many first
    times: int = None  # then affect this many; None: all later ones

    # The effect on a selected call.
    latency: float = 0.0  # delay in seconds
    code: str = ""  # refuse with this AWS error …
    message: str = ""
    status: int = 0  # … this HTTP status, 400 unless given
    reasons: list = None  # ThrottlingReasons: [{"reason": …, "resource": …}]
    retry_after_ms: int = None  # x-amz-retry-after
    body: str = None  # this body instead of a real one, with `status`
    headers: dict = field(default_factory=dict)  # added or, with None, left out
    location: str = ""  # redirect there, 307 unless `status` is given
    reset: str = ""  # RST "before", "within" or "after" the reply
    close: str = ""  # FIN at the same positions
    content_length: int = None  # declare this length, whatever the length of the body
    drip: float = 0.0  # seconds between pieces of the body …
    drip_bytes: int = 1  # … of this many bytes
    endless: bool = False  # an endless body
    wrong_crc: bool = False
    date_offset: float = 0.0  # the Date header is off by these seconds

    # Changes to the request and the reply of DynamoDB.
    limit: int = 0  # forward with this Limit: pages of so many scanned items
    final_key: str = None  # the last page says LastEvaluatedKey: "{}" or "null"

    seen: int = 0

    def hits(self, service, action, table):
        if (self.service not in ("*", service) or self.action not in ("*", action)
                or self.table not in ("*", table)):
            return False
        self.seen += 1
        if self.on is not None:
            return self.seen in self.on
        if self.seen <= self.skip:
            return False
        return self.times is None or self.seen <= self.skip + self.times

    def refuses(self):
        """Whether the call does not reach the real service."""
        return bool(self.code or self.status or self.location or self.body is not None)


NO_FAULT = Fault()
_NAMES = {item.name for item in fields(Fault)}
_PLACES = ("", "before", "within", "after")


class Faults:
    def __init__(self):
        self._faults = []

    def add(self, **options):
        unknown = set(options) - _NAMES
        if unknown:
            raise ValueError(f"no such fault option: {', '.join(sorted(unknown))}")
        fault = Fault(**options)
        if fault.reset not in _PLACES or fault.close not in _PLACES:
            raise ValueError(f"a connection can end at {_PLACES[1:]}")
        self._faults.append(fault)

    def clear(self):
        self._faults.clear()

    def take(self, service, action, table):
        """The first fault that hits this call; every fault counts it."""
        hits = [fault for fault in self._faults if fault.hits(service, action, table)]
        return hits[0] if hits else NO_FAULT

    def list(self):
        return [asdict(fault) for fault in self._faults]
