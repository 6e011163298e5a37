# SPDX-License-Identifier: Apache-2.0
"""Input numbers at the limits of every integer type: in each numeric field of each method, each
option and variable of tallyd, each option of the command, each integer of the YAML, and in the data
of AWS and of the token. For all of them, other clients are served, timers fire, a reload works, and
SIGTERM ends the agent.

Fields and options are found in PROTOCOL.md, in --help and in the source of the configuration: a new
one that is missing in the tables here fails the test."""

import base64
import json
import os
import re
import subprocess
import time
from pathlib import Path

import msgpack
import pytest

from .agent import TALLY, TALLYD, wait_until
from .rpc import Rpc, RpcError
from .yaml_files import scaled_object, small_object, trigger

ROOT = Path(__file__).resolve().parents[2]
LONG = bool(os.environ.get("TALLY_LONG"))

NUMBERS = [0, -1, *(2**bits + more for bits in (31, 32, 53) for more in (-1, 0, 1)),
           2**63 - 9, 2**63 - 1, 2**63, 2**64 - 1]
BEYOND = [2**64, 10**30]  # for numbers in text
YEAR_MS = 31536000000  # the longest duration

QUIET = scaled_object("quiet", trigger(value={"S": "small"}))  # no refresh while AWS answers


def number_id(number):
    for bits in (31, 32, 53, 63, 64):
        if abs(number - 2**bits) < 10:
            return f"2^{bits}{number - 2**bits:+d}"
    return str(number)


def check_health(agent, world, documents, counts=True):
    """Other clients are served, and SIGTERM ends the agent."""
    check_served(agent, world, documents, counts)
    assert agent.stop() == 0


def check_served(agent, world, documents, counts=True):
    """A second client is served, a timer fires, a changed configuration is loaded. `counts`: whether
    a count succeeds with these options."""
    with Rpc(agent.socket, agent.seen, timeout=20) as witness:
        assert witness.call("ping")["pid"] > 0
        if counts:
            assert witness.call("count", trigger="small")["count"] == 7
        world.fault(action="*", latency=600)
        began = time.monotonic()
        with pytest.raises(RpcError) as late:
            witness.call("count", trigger="quiet", max_age_ms=0, timeout_ms=1000)
        assert late.value.name == "TIMEOUT"
        assert time.monotonic() - began < 15
        world.heal()
        agent.write_config(*documents, small_object(), QUIET, scaled_object("late", trigger()))
        wait_until(lambda: any(one["name"] == "shop/late"
                               for one in witness.call("list")["triggers"]), 30)


def wait_for_count(agent, seconds=90):
    """Until a refusal is no longer cached."""
    def counted():
        try:
            return agent.rpc("count", trigger="small", max_age_ms=0)["count"] == 7
        except RpcError as error:
            assert "no memory" not in str(error)
            return False
    wait_until(counted, seconds)


# ---- fields of the protocol -------------------------------------------------------------------------

# method, field: the accepted minimum and maximum.
FIELDS = {
    ("count", "max_age_ms"): (0, 2**64 - 1),
    ("count", "timeout_ms"): (1, 300000),
    ("count", "enough"): (1, 2**63 - 1),
    ("count", "replicas"): (0, 2**31 - 1),
    ("whoami", "timeout_ms"): (1, 300000),
    ("explain", "timeout_ms"): (1, 300000),
    ("explain", "replicas"): (0, 2**31 - 1),
    ("watch", "max_age_ms"): (0, 2**64 - 1),
    ("query", "max_pages"): (1, 2**32 - 1),
    ("query", "timeout_ms"): (1, 300000),
}

PARAMS = {"count": {"trigger": "small"}, "whoami": {}, "explain": {"trigger": "small"},
          "watch": {"trigger": "small"},
          "query": {"table": "orders", "key_condition": "#k = :v", "names": {"#k": "queue"},
                    "values": {":v": {"S": "small"}}}}


def documented_fields():
    """Each numeric param, from the tables of PROTOCOL.md."""
    text = (ROOT / "proto/PROTOCOL.md").read_text(encoding="utf-8")
    found = set()
    for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        method = section.split()[0]
        for table in re.findall(r"^\| param\b.*\n\|[-|]+\n((?:\|.*\n)*)", section, re.MULTILINE):
            found |= {(method, name) for name, kind in
                      re.findall(r"^\| `(\w+)\??` \| ([^|]*?) \|", table, re.MULTILINE)
                      if re.search(r"\b(u?int|number)\b", kind)}
    return found


def test_every_numeric_field_is_known():
    assert documented_fields() == set(FIELDS)


@pytest.mark.parametrize("method, field", FIELDS, ids=lambda part: part)
def test_any_number_in_a_field_leaves_the_agent_well(start, world, method, field):
    least, most = FIELDS[method, field]
    agent = start(small_object(), QUIET, options=["--allow-query"])
    for number in NUMBERS:
        params = {**PARAMS[method], field: number}
        with agent.raw() as leaver:  # a client that does not wait for its answer
            leaver.sendall(msgpack.packb([0, 1, method, [params]]))
        try:
            agent.rpc(method, **params)
            accepted = True
        except RpcError as error:
            assert error.name == "INVALID_REQUEST" and field in str(error), number
            accepted = False
        assert accepted == (least <= number <= most), number
    check_health(agent, world, [])


def test_a_watch_of_the_largest_age_stops_no_timer(start, world):
    agent = start(small_object(), QUIET)
    assert agent.rpc("count", trigger="small")["count"] == 7  # counted again at that age
    with agent.connect() as watcher:
        assert watcher.call("watch", trigger="small", max_age_ms=2**63 - 1)["watching"]
        check_served(agent, world, [])
    assert agent.stop() == 0


def test_a_message_id_or_kind_of_any_size_leaves_the_agent_well(start, world):
    agent = start(small_object(), QUIET)
    for number in NUMBERS:
        for message in ([0, number, "ping", []], [number, 1, "ping", []]):
            with agent.raw() as connection:
                connection.sendall(msgpack.packb(message))
                answer = connection.recv(65536)
            answered = 0 <= message[1] < 2**32 and message[0] == 0
            assert bool(answer) == answered, message
    check_health(agent, world, [])


# ---- options and variables of tallyd ----------------------------------------------------------------

def limits_of_time(text):
    units = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000}
    found = re.fullmatch(r"(\d+)(ms|s|m|h)", text)
    return text == "0" or (found and int(found[1]) * units[found[2]] <= YEAR_MS)


def limits_of_bytes(text):
    found = re.fullmatch(r"(\d+)([KM]?)", text)
    return bool(found) and 65536 <= int(found[1]) * {"": 1, "K": 2**10, "M": 2**20}[found[2]] <= 2**30


def limits_of_mode(text):
    return bool(re.fullmatch("[0-7]+", text)) and int(text, 8) <= 0o777


def limits_of_units(text):
    return text.isdigit() and 0 < int(text) <= 10**15


def limits_of_id(text):
    return text.isdigit() and int(text) < 2**32 - 1


# argument in --help: the units of the number, and the accepted range.
ARGUMENTS = {
    "TIME": (("ms", "s", "m", "h", ""), limits_of_time),
    "BYTES": (("", "K", "M"), limits_of_bytes),
    "RCU/h": (("",), limits_of_units),
    "PRICE": (("",), limits_of_units),
    "MODE": (("",), limits_of_mode),
    "UID": (("",), limits_of_id),
    "GID": (("",), limits_of_id),
    "GROUP": (("",), limits_of_id),
}
NO_NUMBERS = {"PATH", "NAME", "DIR", "LEVEL", "FORMAT", ""}


def options_of_tallyd():
    """The numeric options, from --help."""
    shown = subprocess.run([TALLYD, "--help"], capture_output=True, text=True, check=True).stdout
    options = re.findall(r"^  --([a-z-]+)(?: ([A-Z]+(?:/h)?))? ", shown, re.MULTILINE)
    assert len(options) > 15
    unknown = {argument for _, argument in options} - set(ARGUMENTS) - NO_NUMBERS
    assert not unknown, f"what is accepted as {unknown}?"
    return [(name, argument) for name, argument in options if argument in ARGUMENTS]


OPTIONS = options_of_tallyd()


@pytest.mark.parametrize("option, argument", OPTIONS, ids=lambda part: part)
def test_any_number_of_an_option_is_accepted_or_refused_by_name(pod, option, argument):
    units, accepts = ARGUMENTS[argument]
    agent = pod(small_object())
    variable = "TALLY_" + option.upper().replace("-", "_")
    numbers = NUMBERS + BEYOND if LONG else [*NUMBERS[:3], *NUMBERS[-4:], *BEYOND]
    for text in (f"{number}{unit}" for number in numbers for unit in units):
        by_option = agent.run("--check", "--config", agent.config, f"--{option}", text)
        agent.env[variable] = text
        by_variable = agent.run("--check", "--config", agent.config)
        del agent.env[variable]
        for code, err in (by_option, by_variable):
            assert code == (0 if accepts(text) else 2), (text, err)
        if not accepts(text):
            assert f"--{option}: " in by_option[1] and f"{variable}: " in by_variable[1]


def longest(argument):
    return {"TIME": ["8760h", "2147483648ms"], "BYTES": ["1024M"]}.get(argument, [])


@pytest.mark.parametrize("option, text", [
    (option, text) for option, argument in OPTIONS for text in ["0", *longest(argument)]
    if argument == "TIME" or text != "0"])
def test_the_ends_of_what_an_option_accepts_work(start, world, option, text):
    more = ["--grace", "1s"] if option == "linger" else []
    agent = start(small_object(), QUIET, options=[*more, f"--{option}", text])
    if (option, text) == ("flight-timeout", "0"):
        world.fault(action="Query", latency=1)  # no count is that fast
        with pytest.raises(RpcError) as early:
            agent.rpc("count", trigger="small")
        assert early.value.name == "TIMEOUT"
        world.heal()
    check_health(agent, world, [], counts=option != "flight-timeout" or text != "0")


# ---- integers of the YAML ---------------------------------------------------------------------------

INT32 = 2**31 - 1
INT64 = 2**63 - 1

# key: whether it is in `spec` or in a trigger's metadata, the minimum and maximum, and other keys
# that it needs.
INTEGERS = {
    "pollingInterval": ("spec", 0, INT32, {}),
    "minReplicaCount": ("spec", 0, INT32, {"maxReplicaCount": INT32}),
    "maxReplicaCount": ("spec", 1, INT32, {}),
    "idleReplicaCount": ("spec", 0, INT32 - 1,
                         {"minReplicaCount": INT32, "maxReplicaCount": INT32}),
    "fallback.failureThreshold": ("fallback", 0, INT32, {}),
    "fallback.replicas": ("fallback", 0, INT32, {}),
    "targetValue": ("metadata", 1, INT64, {}),
    "activationTargetValue": ("metadata", -2**63, INT64, {}),
    "countLimit": ("metadata", 1, INT64, {}),
    "maxPages": ("metadata", 1, 2**32 - 1, {}),
}


def with_integer(key, number, index=0):
    place, _, _, more = INTEGERS[key]
    spec, metadata = dict(more), {}
    if place == "metadata":
        metadata[key] = str(number)
    elif place == "fallback":
        spec["fallback"] = {"failureThreshold": 3, "replicas": 2, key.split(".")[1]: number}
    else:
        spec[key] = number
    return scaled_object(f"n{index}", trigger(value={"S": "small"}, **metadata), **spec)


def test_every_integer_of_the_configuration_is_known():
    """Each is read by one of two functions, found by name."""
    found = set()
    for path in (ROOT / "agent/config").glob("*.c"):
        found |= set(re.findall(r'\b(?:read_count|parameter_integer)\([^";]*?"([\w.]+)"',
                                path.read_text(encoding="utf-8")))
    assert found == set(INTEGERS)


def test_any_integer_of_the_configuration_leaves_the_agent_well(pod, world):
    agent = pod(small_object())
    good = []
    for key, (_, least, most, _) in INTEGERS.items():
        for number in NUMBERS:
            document = with_integer(key, number, len(good))
            agent.write_config(document)
            code, err = agent.run("--check", "--config", agent.config)
            assert code == (0 if least <= number <= most else 2), (key, number, err)
            assert code == 0 or key.split(".")[-1] in err, (key, number, err)
            if code == 0:
                good.append(document)
    agent.write_config(*good, small_object(), QUIET)
    agent.start()
    with agent.connect() as client:
        for index in range(len(good)):
            answer = client.call("count", trigger=f"n{index}", replicas=INT32)
            assert answer["count"] == 7 and 0 <= answer["desired_replicas"] <= INT32
    for index in range(0, len(good), 60):
        with agent.connect() as watcher:
            for place in range(index, min(index + 60, len(good))):
                watcher.send("watch", {"trigger": f"n{place}"})
            watcher.receive()
    check_health(agent, world, good)


def test_any_offset_of_now_leaves_the_agent_well(start, world):
    """$now-SECONDS: with more than 12 digits it stays text, which DynamoDB refuses."""
    texts = [f"$now{sign}{abs(number)}" for number in NUMBERS + BEYOND for sign in "+-"]
    good = [scaled_object(f"n{index}", trigger(key="none", value={"N": text}))
            for index, text in enumerate(texts)]
    agent = start(*good, small_object(), QUIET)
    for index in range(len(good)):
        try:
            agent.rpc("count", trigger=f"n{index}")
        except RpcError as error:
            assert error.name == "AWS_REJECTED"
    check_health(agent, world, good)


# ---- options of the command -------------------------------------------------------------------------

OPERANDS = {"count": ["small"], "watch": ["small"], "explain": ["small"], "ready": ["small"],
            "wait": ["small", "--until", "count >= 0"], "call": ["ping"],
            "query": ["orders", "#k = :v", "--name", "#k=queue", "--value", ":v=small"]}


def help_of(*verb):
    return subprocess.run([TALLY, *verb, "--help"], capture_output=True, text=True,
                          check=True).stdout


def options_of_the_command():
    """(verb, option, argument) of all options with a duration or a number."""
    verbs = re.findall(r"^  ([a-z]+)\b", help_of().partition("\nOptions")[0].partition("Verbs")[2],
                       re.MULTILINE)
    assert len(verbs) > 10
    found = [(verb, option, argument) for verb in verbs for option, argument in
             re.findall(r"^ .*--([a-z-]+) ([A-Z]+) ", help_of(verb), re.MULTILINE)]
    assert {option for _, option, argument in found if argument in "DN"} == {
        "timeout", "max-age", "interval", "replicas", "max-pages", "enough"}
    return [one for one in found if one[2] in "DN"]


COMMAND = options_of_the_command()


@pytest.mark.parametrize("verb", sorted({verb for verb, _, _ in COMMAND}))
def test_any_number_of_the_command_is_taken_or_refused(start, world, tmp_path, verb):
    agent = start(small_object(), QUIET, options=["--allow-query"])
    operands = {**OPERANDS, "install": [str(tmp_path)], "sockets": [agent.socket]}.get(verb, [])
    for option, argument in ((option, argument) for its, option, argument in COMMAND if its == verb):
        for number in NUMBERS + BEYOND:
            command = [TALLY, "-s", agent.socket, verb, *operands, f"--{option}={number}"]
            with subprocess.Popen(command, env=agent.env, stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
                try:
                    if verb == "watch" and child.stdout.readline():
                        child.terminate()
                    out, err = child.communicate(timeout=60)
                finally:
                    child.kill()
            agent.seen += (out + err).encode()
            assert 0 <= child.returncode <= 4 or child.returncode in (-15, 130, 143), command
            if argument == "D" and not 0 <= number <= YEAR_MS:
                assert child.returncode == 2 and f"--{option}" in err, (command, err)
    check_health(agent, world, [])


# ---- numbers from AWS -------------------------------------------------------------------------------

DATES = ["Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT",
         "Thu, 01 Jan 1970 00:00:01 GMT", "Mon, 01 Jan 1601 00:00:00 GMT",
         "Tue, 19 Jan 2038 03:14:08 GMT", "Fri, 01 Jan 2100 00:00:01 GMT",
         "Sun, 31 Dec 99999 23:59:59 GMT", "Wed, 31 Dec 2147483647 00:00:00 GMT", "-1", "0",
         "9223372036854775807"]


@pytest.mark.parametrize("date", DATES)
@pytest.mark.parametrize("service", ["dynamodb", "sts"])
def test_one_reply_of_any_date_does_not_break_the_next_counts(start, world, service, date):
    agent = start(small_object(), QUIET)
    code = {"code": "RequestTimeTooSkewed"} if service == "dynamodb" else {}
    world.fault(service=service, headers={"Date": date}, times=1, **code)
    try:
        agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=3000)
    except RpcError as error:
        assert "no memory" not in str(error)
    world.heal()
    wait_for_count(agent)  # a rejected count is cached for 2 s
    if LONG:
        check_health(agent, world, [])


@pytest.mark.parametrize("number", NUMBERS + BEYOND)
def test_a_retry_after_of_any_size_does_not_stop_the_next_counts(start, world, number):
    agent = start(small_object(), QUIET)
    world.fault(action="Query", code="ThrottlingException", times=1,
                headers={"x-amz-retry-after": str(number)})
    try:
        agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=300)
    except RpcError as error:
        assert error.answer.get("retry_after_ms", 0) <= 3600000
    world.heal()
    assert agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=60000)["count"] == 7
    check_health(agent, world, [])


def test_a_last_key_over_the_limit_is_not_called_no_memory(start, world):
    agent = start(small_object())
    page = {"Count": 1, "ScannedCount": 1, "LastEvaluatedKey": {"queue": {"S": "x" * 900_000}}}
    world.fault(action="Query", status=200, body=json.dumps(page))
    with pytest.raises(RpcError) as refused:
        agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=2000)
    assert "no memory" not in str(refused.value)
    assert re.search("LastEvaluatedKey|larger than [0-9]+ bytes", str(refused.value))
    world.heal()
    assert agent.rpc("count", trigger="small", max_age_ms=0)["count"] == 7


def test_a_token_may_expire_at_any_number(start, world):
    agent = start(small_object(), QUIET)
    good = world.token()

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    for number in NUMBERS + BEYOND:
        claims = {"iss": "https://a", "sub": "b", "aud": "sts.amazonaws.com", "exp": number}
        agent.mount.write(token=f"{part({'alg': 'RS256'})}.{part(claims)}.c2ln")
        identity, = agent.rpc("whoami", timeout_ms=2000)["identities"]
        assert identity
    agent.mount.write(token=good)
    wait_for_count(agent)
    check_health(agent, world, [])
