# SPDX-License-Identifier: Apache-2.0
"""Every fault at every service: the answer to a client and its time, the agent's calls meanwhile, and
the recovery after the fault.

The table is FAULTS x SERVICES. Each cell is one agent in four situations:

    cold     a lasting fault with empty caches: an error with its name, within the deadline
    healed   the fault is over: an exact count, without a restart
    once     a single fault when the service is needed again
    warm     a lasting fault with a cached count or cached credentials

A cell mostly waits, so the cells run in parallel.
"""

import json
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.gateway.world import ROLE

from .agent import Agent
from .rpc import RpcError
from .yaml_files import scaled_object, small_object, trigger

DEADLINE_MS = 1500
SLACK = 2.0  # additional seconds for a busy machine
HEALED_SECONDS = 25  # a refusal is cached for 10 s
NO_WEB_IDENTITY = {"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None}

# ---- the effect of a fault ----------------------------------------------------------------------


@dataclass(frozen=True)
class Meaning:
    """The error for clients while it lasts, by service ("*": the others), and the minimum and maximum
    number of calls for one count request."""
    names: dict
    calls: tuple
    stale: str  # last_error with the last good count of DynamoDB
    passes: bool = False  # retried within the same request


PASSES = Meaning({"*": {"AWS_UNAVAILABLE", "TIMEOUT"}}, (2, 30), "AWS_UNAVAILABLE", True)
STALLS = Meaning({"*": {"TIMEOUT"}}, (1, 2), "AWS_UNAVAILABLE", True)
THROTTLES = Meaning({"*": {"THROTTLED", "TIMEOUT"}}, (1, 8), "THROTTLED", True)
DENIES = Meaning({"*": {"ACCESS_DENIED"}}, (1, 1), "ACCESS_DENIED")
REFUSES = Meaning({"dynamodb": {"AWS_REJECTED"}, "*": {"CREDENTIALS"}}, (1, 1), "AWS_REJECTED")
SKEWS = Meaning({"*": {"AWS_REJECTED"}}, (2, 2), "AWS_REJECTED", True)
EXPIRES = Meaning({"*": {"CREDENTIALS"}}, (2, 2), "CREDENTIALS")

# ---- the faults ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    name: str
    meaning: Meaning
    options: dict
    code: str = ""  # from AWS, shown to clients
    services: tuple = ("dynamodb", "sts", "container", "imds")


def _codes(meaning, *codes, services):
    return [Fault(code, meaning, {"code": code}, code, services) for code in codes]


DYNAMODB, STS, LOCAL = ("dynamodb",), ("sts",), ("container", "imds")
JSON = (*DYNAMODB, *LOCAL)

FAULTS = [
    Fault("refused", PASSES, {"away": True}),
    Fault("reset-before", PASSES, {"reset": "before"}),
    Fault("reset-within", PASSES, {"reset": "within"}),
    Fault("closed-before", PASSES, {"close": "before"}),
    Fault("closed-within", PASSES, {"close": "within"}),
    Fault("cut-off", PASSES, {"content_length": 100_000, "close": "after"}),
    Fault("too-short", PASSES, {"content_length": 5}),
    Fault("silent", STALLS, {"latency": 60}),
    Fault("slow-body", STALLS, {"drip": 0.6, "drip_bytes": 20}, services=DYNAMODB),
    Fault("slow-body", STALLS, {"drip": 0.9, "drip_bytes": 400}, services=("sts", *LOCAL)),
    Fault("endless-body", PASSES, {"endless": True}),
    Fault("huge-body", PASSES, {"body": " " * (2 << 20)}),
    Fault("huge-header", PASSES, {"headers": {"X-Long": "x" * 70_000}}),
    Fault("empty-body", PASSES, {"body": ""}),
    Fault("garbage", PASSES, {"body": "\x00\x01{<"}),
    Fault("half-json", PASSES, {"body": '{"Count": 3, "Secret'}, services=JSON),
    Fault("wrong-types", PASSES, {"body": '{"Count": "3", "AccessKeyId": 7}'},
          services=JSON),
    Fault("another-document", PASSES, {"body": "<a><Credentials/></a>"}, services=STS),
    Fault("wrong-crc", PASSES, {"wrong_crc": True}, services=DYNAMODB),
    Fault("500", PASSES, {"status": 500}),
    Fault("502", PASSES, {"status": 502, "body": "<html>bad gateway</html>"}),
    Fault("503", PASSES, {"status": 503}),
    Fault("504", PASSES, {"status": 504, "body": ""}),
    Fault("429", THROTTLES, {"status": 429}),
    Fault("400-html", REFUSES, {"status": 400, "body": "<html>no</html>"}),
    Fault("403-html", DENIES, {"status": 403, "body": "<html>firewall</html>"}),
    Fault("404-html", REFUSES, {"status": 404, "body": "<html>nothing here</html>"}),
    *(Fault(str(status), REFUSES, {"status": status, "location": "/elsewhere"})
      for status in (301, 302, 303, 307, 308)),
    *_codes(PASSES, "InternalServerError", services=DYNAMODB),
    *_codes(THROTTLES, "ProvisionedThroughputExceededException", "ThrottlingException",
            "RequestLimitExceeded", services=DYNAMODB),
    *_codes(DENIES, "AccessDeniedException", services=DYNAMODB),
    *_codes(REFUSES, "ResourceNotFoundException", "ValidationException", services=DYNAMODB),
    *_codes(EXPIRES, "ExpiredTokenException", "UnrecognizedClientException", services=DYNAMODB),
    *_codes(SKEWS, "RequestTimeTooSkewed", "RequestInTheFuture", services=DYNAMODB),
    *_codes(PASSES, "InternalFailure", "IDPCommunicationError", services=STS),
    *_codes(THROTTLES, "Throttling", services=STS),
    *_codes(DENIES, "AccessDenied", services=STS),
    *_codes(REFUSES, "MalformedPolicyDocument", "RegionDisabledException", "ValidationError",
            services=STS),
]

# ---- the services -------------------------------------------------------------------------------


def _pod_identity(world, agent):
    agent.mount.write(token=world.pod_token())
    return {**NO_WEB_IDENTITY, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": agent.mount.path("token"),
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + "/v1/credentials"}


def _metadata(world, _agent):
    world.metadata(role=ROLE)
    return {**NO_WEB_IDENTITY, "AWS_EC2_METADATA_SERVICE_ENDPOINT": world.urls["imds"]}


@dataclass(frozen=True)
class Service:
    action: str
    env: object = lambda world, agent: {}
    options: list = field(default_factory=list)

    @property
    def is_dynamodb(self):
        return self.action == "Query"


SERVICES = {
    "dynamodb": Service("Query"),
    "sts": Service("AssumeRoleWithWebIdentity"),
    "container": Service("PodIdentity", _pod_identity),
    "imds": Service("Credentials", _metadata, ["--imds"]),
}

# ---- one cell -----------------------------------------------------------------------------------


class Cell:
    def __init__(self, fault, name, world):
        self.fault, self.name, self.service = fault, name, SERVICES[name]
        self.meaning, self.world, self.away = fault.meaning, world, False
        self.agent = Agent(world, small_object(), options=self.service.options)
        for variable, value in self.service.env(world, self.agent).items():
            self.agent.env.pop(variable, None)
            if value is not None:
                self.agent.env[variable] = value

    def run(self):
        try:
            self.agent.start()
            self.cold()
            self.healed()
            self.once()
            self.warm()
        finally:
            self.agent.finish()

    def cold(self):
        self.begin()
        error = self.ask_in_vain()
        names = self.meaning.names.get(self.name) or self.meaning.names["*"]
        assert error.name in names, error
        assert error.answer.get("aws", {}).get("code", "") == self.fault.code, error.answer
        self.check_calls(*self.meaning.calls)

    def healed(self):
        self.end()
        until = time.monotonic() + HEALED_SECONDS
        while self.count_or_none() != (7, "exact", None):
            assert time.monotonic() < until, "it does not get well"
            time.sleep(0.2)

    def once(self):
        self.need_again()
        self.begin(times=1)
        answer = self.count(timeout_ms=8000)
        if self.meaning.passes or self.meaning is EXPIRES:
            assert answer == (7, "exact", None)
            self.check_calls(*((1, 2) if self.fault.name in ("slow-body", "refused") else (2, 2)))
        else:
            assert answer[:2] == (7, "stale")
            self.check_calls(1, 1)
        self.healed()

    def warm(self):
        self.begin()
        answer = self.count(timeout_ms=DEADLINE_MS)
        if self.service.is_dynamodb:
            assert answer[:2] == (7, "stale"), answer
            assert answer[2] in {self.meaning.stale, "TIMEOUT"}, answer
        else:
            assert answer == (7, "exact", None)
            self.check_calls(0, 0)

    # ---- steps ----

    def begin(self, **limits):
        self.world.forget()
        options = dict(self.fault.options)
        if options.pop("away", False):
            if not limits:  # it cannot be unavailable for one call only
                self.world.leave(service=self.name)
                self.away = True
            return
        self.world.fault(service=self.name, action=self.service.action, **limits, **options)

    def end(self):
        if self.away:
            self.world.come_back(service=self.name)
        self.away = False
        self.world.heal()

    def need_again(self):
        """The next count calls DynamoDB anyway; credentials are fetched when AWS rejects the old ones."""
        if not self.service.is_dynamodb:
            self.world.expire()

    def count(self, timeout_ms=4000):
        answer = self.agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=timeout_ms)
        return answer["count"], answer["quality"], answer.get("last_error", {}).get("name")

    def count_or_none(self):
        try:
            answer = self.count()
        except RpcError:
            return None
        assert answer[0] == 7, "a wrong count"
        return answer

    def ask_in_vain(self):
        begun = time.monotonic()
        with pytest.raises(RpcError) as caught:
            self.count(timeout_ms=DEADLINE_MS)
        assert time.monotonic() - begun < DEADLINE_MS / 1000 + SLACK
        return caught.value

    def check_calls(self, least, most):
        calls = self.world.summary()["calls"]
        mine = calls.get(f"{self.name}:{self.service.action}", 0)
        if "away" not in self.fault.options:
            assert least <= mine <= most, calls
        elsewhere = [entry for entry in self.world.requests() if entry["target"] == "/elsewhere"]
        assert not elsewhere, "a redirect was followed"


# ---- all cells ----------------------------------------------------------------------------------


def run_cell(gateway, fault, name):
    """The failure of this cell, or None."""
    world = gateway.world()
    try:
        Cell(fault, name, world).run()
    except Exception:
        return f"{fault.name} at {name}: {traceback.format_exc()}"
    finally:
        world.close()


@pytest.mark.parametrize("name", SERVICES)
def test_every_fault_at(gateway, tables, name):
    faults = [fault for fault in FAULTS if name in fault.services]
    faults.sort(key=lambda fault: fault.meaning.passes)  # the longest first
    with ThreadPoolExecutor(12) as pool:
        wrong = pool.map(lambda fault: run_cell(gateway, fault, name), faults)
    wrong = [report for report in wrong if report is not None]
    assert not wrong, f"{len(wrong)} of {len(faults)} faults:\n" + "\n".join(wrong)


# ---- more than one call ---------------------------------------------------------------------------


def test_a_throttle_on_page_17_of_25_repeats_page_17(start, world):
    world.fault(action="Query", on=[17], code="ProvisionedThroughputExceededException",
                retry_after_ms=30)
    world.fault(action="Query", limit=11)
    agent = start(scaled_object("done", trigger("jobs", "state", {"S": "done"},
                                                indexName="by-state")))
    answer = agent.rpc("count", trigger="done", timeout_ms=20_000)
    assert (answer["count"], answer["pages"], answer["quality"]) == (270, 25, "exact")
    asked = [json.loads(entry["body"]).get("ExclusiveStartKey")
             for entry in world.requests(service="dynamodb")]
    assert len(asked) == 26
    assert asked[16] == asked[17] is not None
    assert len({json.dumps(key) for key in asked}) == 25


def gaps(world, service):
    """Seconds between the calls to a service, from the start of one to the start of the next."""
    times = [entry["time"] for entry in world.requests(service=service)]
    return [later - earlier for earlier, later in zip(times, times[1:])]


@pytest.mark.parametrize("name", SERVICES)
def test_retries_are_paced(gateway, tables, name):
    """One client waits for 6 s while a service is down: the retries begin soon, then slow down."""
    world = gateway.world()
    cell = Cell(Fault("503", PASSES, {"status": 503}), name, world)
    try:
        cell.agent.start()
        cell.begin()
        with pytest.raises(RpcError):
            cell.count(timeout_ms=6000)
        calls = [entry for entry in world.requests(service=name)
                 if entry["action"] == cell.service.action]
        begun = calls[0]["time"]
        early = sum(entry["time"] - begun < 1 for entry in calls)
        assert 3 <= early <= 10, gaps(world, name)
        assert len(calls) - early <= 14, gaps(world, name)
    finally:
        cell.agent.finish()
        world.close()


@pytest.mark.parametrize("service, action, code", [
    ("dynamodb", "Query", "ProvisionedThroughputExceededException"),
    ("sts", "AssumeRoleWithWebIdentity", "Throttling")])
def test_what_a_throttle_asks_for_is_waited(start, world, service, action, code):
    world.fault(service=service, action=action, code=code, retry_after_ms=1800, times=1)
    assert start(small_object()).rpc("count", trigger="small", timeout_ms=20_000)["count"] == 7
    gap, = gaps(world, service)
    assert 1.7 < gap < 6


OUTAGE_SECONDS = 12


@pytest.mark.parametrize("service", ["dynamodb", "sts", "*"])
def test_an_outage_is_met_with_fewer_calls_not_more(start, world, service):
    """30 triggers, each with its own client that sends requests all the time, and AWS down."""
    names = [f"t{number}" for number in range(30)]
    agent = start(*(scaled_object(name, trigger(value={"S": name})) for name in names))
    wrong, over = [], threading.Event()

    def keep_asking(name):
        with agent.connect() as connection:
            while not over.is_set():
                try:
                    wrong.append(connection.call("count", trigger=name, timeout_ms=1000))
                except RpcError as error:
                    if error.name not in ("AWS_UNAVAILABLE", "TIMEOUT"):
                        wrong.append(error)
                time.sleep(0.05)

    world.fault(service=service, status=503)
    begun = time.time()
    threads = [threading.Thread(target=keep_asking, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    time.sleep(OUTAGE_SECONDS)
    over.set()
    for thread in threads:
        thread.join()
    assert not wrong
    calls = Counter(int(entry["time"] - begun) for entry in world.requests())
    early = sum(calls[second] for second in range(0, 4))
    late = sum(calls[second] for second in range(OUTAGE_SECONDS - 4, OUTAGE_SECONDS))
    assert late * 2 <= early, calls
    # Each trigger retries after 0.25, 0.5, 1, 2, 4, 8 s at most, and at least half of that; the
    # identity after 1, 2, 4, 8 s, each time with 3 retries. The quota has 35 retries for all.
    most = len(names) * 7 + 35 if service == "dynamodb" else 5 * 4
    assert sum(calls.values()) <= most, calls
    world.heal()
    assert agent.rpc("count", trigger="t0", timeout_ms=30_000)["count"] == 0
