# SPDX-License-Identifier: Apache-2.0
"""The verbs of the tally command, against a fake agent with the test's answers."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import termios
import threading
import time

import pytest

from .agent import TALLY
from .fake_agent import FakeAgent, Refusal, result
from .yaml_files import small_object

NEVER = lambda _: None  # pylint: disable=unnecessary-lambda-assignment


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="tally-", dir="/tmp")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def fake(folder):
    """Starts a fake agent; tally() below uses it."""
    agents = []

    def make(**options):
        agents.append(FakeAgent(os.path.join(folder, "tally.sock"), **options))
        return agents[-1]

    yield make
    for agent in agents:
        agent.__exit__()


def tally(*arguments, path=None, env=None, timeout=60):
    """Runs the command; returns exit code, stdout and stderr."""
    if path is not None:
        arguments = ("-s", path, *arguments)
    done = subprocess.run([TALLY, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          env={"PATH": "/usr/bin:/bin", **(env or {})}, timeout=timeout,
                          check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def count_of(number, quality="exact", **more):
    return {**result("count-answer"), "count": number, "quality": quality, **more}


# ---- every wrong argument: one line, the right code ----

@pytest.mark.parametrize("arguments, words", [
    (["conut", "x"], "did you mean count?"),
    (["frobnicate"], "`tally --help` lists them"),
    (["count"], "tally count TRIGGER"),
    (["count", "a", "b"], 'takes no "b"'),
    (["count", "a", "--max-agee", "5"], "did you mean --max-age?"),
    (["count", "a", "--max-age", "soon"], '"soon" is not a duration'),
    (["count", "a", "--timeout"], "option --timeout requires an argument"),
    (["count", "a", "--timeout", "0"], "between 1ms and 5m"),
    (["count", "a", "--timeout", "6m"], "between 1ms and 5m"),
    (["count", "a", "--replicas", "two"], "not a number"),
    (["count", "a", "--value", "k=1"], "is not :placeholder=VALUE"),
    (["count", "a", "--value", ':k={"S"'], "invalid JSON"),
    (["count", "a", "--until", "x"], "count does not take option --until"),
    (["query", "t", "k = :k", "--filter="], "option --filter requires a non-empty EXPR"),
    (["ping", "-o", "xml"], 'ping has no "xml": it has text, json'),
    (["top", "-o", "json"], 'top has no "json": it has text'),
    (["wait", "a"], "--until 'count <= 0'"),
    (["wait", "a", "--until", "count <"], "at character 8: write a number"),
    (["wait", "a", "--until", "size < 1"], "at character 1: write one of count"),
    (["query", "t"], "tally query TABLE KEY_CONDITION"),
    (["query", "t", "k = :k", "--name", "k=x"], "is not #placeholder=attribute"),
    (["call", "ping", "{"], "invalid JSON"),
    (["-s", "", "ping"], "option --socket requires a non-empty PATH"),
    (["top"], "top needs a terminal"),
])
def test_wrong_usage_is_reported_in_one_line(arguments, words):
    code, out, err = tally(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("tally: ") and err.count("\n") == 1
    assert words in err


def test_no_verb_shows_the_help_and_fails():
    code, out, err = tally()
    assert (code, out) == (2, "")
    assert "Verbs" in err


def test_no_agent_exits_3(folder):
    for path in (os.path.join(folder, "none"), os.path.join(folder, "no", "folder")):
        code, out, err = tally("ping", path=path)
        assert (code, out) == (3, "")
        assert err.startswith(f"tally: NOAGENT: {path}: ") and err.count("\n") == 1


def test_a_left_over_socket_exits_3(folder):
    path = os.path.join(folder, "left")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    code, _, err = tally("ping", path=path)
    assert code == 3
    assert "connection refused" in err


def test_a_file_that_is_no_socket_exits_3(folder):
    path = os.path.join(folder, "file")
    with open(path, "w", encoding="utf-8"):
        pass
    code, _, err = tally("ping", path=path)
    assert code == 3
    assert "is not a socket" in err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_a_socket_of_others_names_what_to_do(fake, folder):
    agent = fake()
    os.chmod(folder, 0o755)
    os.chmod(agent.path, 0o660)
    # setpriv can start it in a checkout below a folder that only root may enter.
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", TALLY, "-s",
                           agent.path, "ping"], capture_output=True, check=False, timeout=60)
    assert done.returncode == 3
    err = done.stderr.decode()
    assert err.startswith("tally: PERMISSION: ")
    for word in ("gid 0", "mode 0660", "uid 65534", "supplementalGroups"):
        assert word in err


def test_what_is_no_agent_is_reported(folder):
    path = os.path.join(folder, "http.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        code, out, err = tally("ping", path=path)
        thread.join()
    assert (code, out) == (1, "")
    assert err.startswith("tally: PROTOCOL: ")


def test_an_agent_that_hangs_up_is_reported(fake):
    agent = fake(ping=NEVER)
    code, _, err = tally("ping", path=agent.path)
    assert code == 3
    assert "closed the connection without an answer" in err


# ---- errors and notes ----

def test_an_error_shows_what_aws_said(fake):
    def refuse(_):
        raise Refusal(11, "AWS_REJECTED", "no table orders",
                      aws={"code": "ResourceNotFoundException", "request_id": "R1"})

    agent = fake(count=refuse)
    assert tally("count", "x", path=agent.path) == (
        1, "", "tally: AWS_REJECTED: no table orders [ResourceNotFoundException, R1]\n")


@pytest.mark.parametrize("code, name, exit_code", [
    (3, "UNKNOWN_TRIGGER", 1), (7, "TIMEOUT", 4), (10, "THROTTLED", 1), (14, "INTERNAL", 1)])
def test_exit_codes_of_the_agents_errors(fake, code, name, exit_code):
    def refuse(_):
        raise Refusal(code, name, "told")

    agent = fake(count=refuse)
    assert tally("count", "x", path=agent.path) == (exit_code, "", f"tally: {name}: told\n")


def test_an_error_of_the_future_is_an_error(fake):
    def refuse(_):
        raise Refusal(77, "TOO_NEW", "told")

    agent = fake(count=refuse)
    code, out, err = tally("count", "x", path=agent.path)
    assert (code, out) == (1, "")
    assert "told" in err


def test_an_error_cannot_write_to_the_terminal(fake):
    def refuse(_):
        raise Refusal(3, "UNKNOWN_TRIGGER", "\x1b[2Jgone\n")

    agent = fake(count=refuse)
    _, _, err = tally("count", "x", path=agent.path)
    assert err == "tally: UNKNOWN_TRIGGER: \\x1b[2Jgone\\x0a\n"


def test_a_stale_count_is_said_beside_the_number(fake):
    agent = fake(count=lambda _: result("count-answer-stale"))
    code, out, err = tally("count", "x", path=agent.path)
    assert (code, out) == (0, "25000\n")
    assert err.startswith("tally: note: stale: ") and "THROTTLED" in err


def test_a_count_that_stopped_early_is_said_beside_the_number(fake):
    agent = fake(count=lambda _: result("count-answer-at-least"))
    code, out, err = tally("count", "x", path=agent.path)
    assert (code, out) == (0, "1000\n")
    assert err.startswith("tally: note: at least: ")


@pytest.mark.parametrize("vector", ["count-answer-stale", "count-answer-at-least"])
def test_only_an_exact_count_will_do(fake, vector):
    agent = fake(count=lambda _: result(vector))
    code, out, err = tally("count", "x", "--exact", path=agent.path)
    assert (code, out) == (1, "")
    assert err.startswith("tally: note: ") and "\ntally: NOT_EXACT: the count of " in err


def test_an_exact_count_is_printed(fake):
    agent = fake(count=lambda _: count_of(7))
    assert tally("count", "x", "--exact", path=agent.path) == (0, "7\n", "")


def test_errors_are_json_where_the_output_is(fake, folder):
    def refuse(_):
        raise Refusal(9, "ACCESS_DENIED", "no\x1b[2J", aws={"code": "AccessDeniedException",
                                                         "request_id": "R-1"})

    agent = fake(count=refuse)
    code, out, err = tally("count", "x", "-o", "json", path=agent.path)
    answer = json.loads(err)["error"]
    assert (code, out) == (1, "") and "\x1b" not in err
    assert (answer["name"], answer["code"]) == ("ACCESS_DENIED", 9)
    assert answer["aws"]["code"] == "AccessDeniedException"
    code, out, err = tally("ping", "-o", "json", path=os.path.join(folder, "none"))
    assert code == 3 and json.loads(err)["error"]["name"] == "NOAGENT"
    code, _, err = tally("wait", "x", "-o", "json", path=agent.path)
    assert code == 2 and json.loads(err)["error"]["name"] == "USAGE"


def test_ping_as_json_has_the_round_trip(fake):
    agent = fake()
    code, out, _ = tally("ping", "-o", "json", path=agent.path)
    assert code == 0 and 0 < json.loads(out)["round_trip_ms"] < 5000


def test_a_small_deadline_without_a_unit_is_refused(fake):
    agent = fake(count=lambda _: count_of(7))
    code, _, err = tally("count", "x", "-t", "60", path=agent.path)
    assert code == 2 and "60s or 60ms" in err
    assert tally("count", "x", "-t", "5000", path=agent.path)[0] == 0


def test_explain_passes_the_replicas_on(fake):
    agent = fake(explain=lambda _: result("explain-answer"))
    assert tally("explain", "x", "--replicas", "4", path=agent.path)[0] == 0
    (_, (params,)), = agent.requests
    assert params["replicas"] == 4


def triggers_of(first, number):
    return [{"name": f"shop/t{i:05}", "state": "never", "table": "t"} for i in range(first, first + number)]


def test_list_goes_on_until_all_pages_are_there(fake):
    def page(params):
        first = int(params.get("after", "shop/t-0001")[6:]) + 1
        triggers = triggers_of(first, min(400, 1000 - first))
        last = first + len(triggers)
        return {"triggers": triggers, **({"next": f"shop/t{last - 1:05}"} if last < 1000 else {})}

    agent = fake(list=page, status=lambda _: result("status-answer"))
    code, out, _ = tally("list", path=agent.path)
    assert code == 0 and len(out.splitlines()) == 1001
    triggers = json.loads(tally("list", "-o", "json", path=agent.path)[1])["triggers"]
    assert [one["name"] for one in triggers] == [f"shop/t{i:05}" for i in range(1000)]
    out = tally("status", "-o", "prometheus", path=agent.path)[1]
    assert out.count("tally_trigger_failed{") == 1000


def test_a_list_that_does_not_go_on_is_an_error(fake):
    agent = fake(list=lambda _: {"triggers": triggers_of(0, 2), "next": "shop/t00001"})
    code, out, err = tally("list", path=agent.path)
    assert (code, out) == (1, "") and "does not go on" in err


def test_a_count_beyond_doubles_keeps_its_digits(fake):
    agent = fake(count=lambda _: result("count-answer-over-2-53"))
    assert tally("count", "x", path=agent.path)[1] == "9007199254740993\n"
    assert '"count": 9007199254740993,' in tally("count", "x", "-o", "json", path=agent.path)[1]
    assert " 9007199254740993\n" in tally("count", "x", "-o", "prometheus", path=agent.path)[1]


def test_what_count_asks(fake):
    agent = fake(count=lambda _: count_of(1))
    tally("count", "orders", "--max-age", "2s", "--replicas", "3", "--timeout", "9s",
          "--value", ":a=text", "--value", ':b={"N": "5"}', path=agent.path)
    (_, (params,)), = agent.requests
    assert 8000 < params.pop("timeout_ms") <= 9000
    assert params == {"trigger": "orders", "max_age_ms": 2000, "replicas": 3,
                      "values": {":a": {"S": "text"}, ":b": {"N": "5"}}}


def test_what_query_asks(fake):
    agent = fake(query=lambda _: result("query-answer"))
    code, out, _ = tally(
        "query", "orders", "#s = :s", "--name", "#s=state", "--value", ":s=open", "--filter", "f",
        "--index", "i", "--region", "r", "--identity-of", "t", "--endpoint", "http://x",
        "--consistent", "--max-pages", "2", path=agent.path)
    assert code == 0 and int(out) >= 0
    (_, (params,)), = agent.requests
    del params["timeout_ms"]
    assert params == {
        "table": "orders", "key_condition": "#s = :s", "names": {"#s": "state"},
        "values": {":s": {"S": "open"}}, "filter": "f", "index": "i", "region": "r",
        "identity_of": "t", "endpoint": "http://x", "consistent_read": True, "max_pages": 2}


@pytest.mark.parametrize("text, params", [
    (None, []), ("[]", []), ('{"trigger": "x"}', [{"trigger": "x"}]), ('["x"]', ["x"]),
    ("5", [5]), ("null", [None])])
def test_call_sends_what_is_written(fake, text, params):
    agent = fake(echo=lambda *_: {"good": True})
    arguments = ["call", "echo"] + ([] if text is None else [text])
    code, out, _ = tally(*arguments, path=agent.path)
    assert (code, json.loads(out)) == (0, {"good": True})
    assert agent.requests == [("echo", params)]


# ---- help ----

def verbs():
    _, out, _ = tally("--help")
    return re.findall(r"^  ([a-z]+) ", out.split("Verbs")[1].split("Options")[0], re.M)


def test_every_verb_has_help_with_an_example():
    assert len(verbs()) >= 14
    for verb in verbs():
        code, out, err = tally(verb, "--help")
        assert (code, err) == (0, "")
        assert out.startswith(f"tally {verb}")
        assert "tally " + verb in out.split("\n", 1)[1] or "tally, " + verb in out
        assert tally("help", verb) == (code, out, err)
        for line in out.splitlines():
            assert len(line) <= 92, line


def test_the_version_is_printed():
    assert re.fullmatch(r"tally \d+\.\d+\.\d+\n", tally("--version")[1])


# ---- the format of answers ----

def test_whoami_shows_every_identity_and_no_agent_trouble(fake):
    agent = fake(whoami=lambda _: result("whoami-answer"))
    code, out, err = tally("whoami", path=agent.path)
    assert (code, err) == (0, "")
    for word in ("web-identity for prod/orders, prod/returns", "valid, expires in 55 m 12 s",
                 "because podIdentity aws-eks", "mode        0640", "static for stage/orders",
                 "last error  CREDENTIALS: "):
        assert word in out


def test_list_says_why_a_trigger_failed(fake):
    agent = fake(list=lambda _: result("list-answer"))
    code, out, err = tally("list", path=agent.path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["TRIGGER", "COUNT", "STATE", "AGE", "EVERY", "TARGET", "TABLE",
                                "REGION", "IDENTITY", "RCU/H", "COUNTED", "BY"]
    assert lines[1].split()[:3] == ["prod/orders", "25000", "fresh"]
    assert lines[4].startswith("stage/orders: ACCESS_DENIED: ")


def test_an_agent_without_triggers_says_so(fake):
    agent = fake(list=lambda _: {"triggers": []})
    code, out, err = tally("list", path=agent.path)
    assert (code, out) == (0, "")
    assert "no triggers" in err


def test_explain_goes_from_configuration_to_decision(fake):
    agent = fake(explain=lambda _: result("explain-answer"))
    code, out, err = tally("explain", "orders", path=agent.path)
    assert (code, err) == (0, "")
    heads = ["Configuration", "Identity", "Endpoint", "Request", "Pages", "Count", "Cost",
             "Decision", "What KEDA would report"]
    places = [out.index("\n" + head) for head in heads]
    assert places == sorted(places)
    assert "225 read capacity units a count x 2880 counts a day = 648000 a day" in out
    assert "1000: 800 too few, on 1 page that it does not read" in out


def test_unknown_fields_do_not_hurt(fake):
    def more(name):
        return lambda _: {**result(name), "new": {"deep": [{"a": 1}, {"b": [2]}]}, "": None}

    agent = fake(status=more("status-answer"), list=more("list-answer"),
                 whoami=more("whoami-answer"), explain=more("explain-answer"))
    for verb in (["status"], ["list"], ["whoami"], ["explain", "x"], ["status", "-o", "prometheus"]):
        code, out, err = tally(*verb, path=agent.path)
        assert (code, err) == (0, "")
        assert out


def test_missing_fields_do_not_hurt(fake):
    agent = fake(status=lambda _: {"connections": {}}, list=lambda _: {"triggers": []},
                 whoami=lambda _: {"identities": []}, explain=lambda _: {"config": {}},
                 count=lambda _: {})
    for verb in (["status"], ["list"], ["whoami"], ["explain", "x"], ["status", "-o", "prometheus"]):
        assert tally(*verb, path=agent.path)[0] == 0
    code, out, err = tally("count", "x", path=agent.path)
    assert (code, out) == (1, "")
    assert "has no count" in err


def test_no_colour_without_a_terminal(fake):
    agent = fake(status=lambda _: result("status-answer"))
    assert "\x1b" not in tally("status", path=agent.path)[1]


SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+-]+')


def promtool(text):
    """The output of Prometheus' own linter for the text."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_prometheus_output_is_well_formed(fake):
    agent = fake(status=lambda _: result("status-answer"), list=lambda _: result("list-answer"))
    code, out, err = tally("-o", "prometheus", "status", path=agent.path)
    assert (code, err) == (0, "")
    typed, seen = {}, set()
    for line in out.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in typed
            typed[name] = kind
        elif not line.startswith("# HELP "):
            assert SAMPLE.fullmatch(line), line
            assert line.rsplit(" ", 1)[0] not in seen
            seen.add(line.rsplit(" ", 1)[0])
            name = re.match("[a-z_]+", line)[0]
            if typed.get("tally_request_duration_seconds") and name.startswith(
                    "tally_request_duration_seconds_"):
                continue  # the parts of a histogram
            assert name in typed
            assert (typed[name] == "counter") == name.endswith("_total")
    assert promtool(out) == (0, "")
    buckets = re.findall(r'^tally_request_duration_seconds_bucket\{le="([^"]+)"\} (\d+)$', out, re.M)
    assert [float(bound) for bound, _ in buckets] == sorted(float(bound) for bound, _ in buckets)
    assert [int(number) for _, number in buckets] == sorted(int(number) for _, number in buckets)
    assert buckets[-1] == ("+Inf", "5309") and "tally_request_duration_seconds_count 5309" in out
    assert "tally_uptime_seconds 86400.123" in out
    assert 'tally_requests_total{method="count"} 5205' in out
    assert 'tally_aws_calls_total{service="dynamodb",result="throttled"} 6' in out
    assert 'tally_trigger_items{trigger="prod/orders",table="orders"} 25000' in out
    assert 'tally_trigger_items{trigger="prod/returns"' not in out


# ---- wait ----

def test_wait_ends_when_the_condition_holds(fake):
    counts = iter([5, 3, 0])
    agent = fake(count=lambda _: count_of(next(counts)))
    code, out, err = tally("wait", "x", "--until", "count <= 0", "-i", "10ms", path=agent.path)
    assert (code, out, err) == (0, "0\n", "")
    assert len(agent.requests) == 3


@pytest.mark.parametrize("quality, condition, code", [
    ("stale", "count >= 0", 4), ("at_least", "count >= 5", 0), ("at_least", "count <= 5", 4),
    ("at_least", "count < 5", 4), ("exact", "count == 5", 0), ("sampled", "count == 5", 4)])
def test_wait_trusts_only_what_is_certain(fake, quality, condition, code):
    agent = fake(count=lambda _: count_of(5, quality))
    assert tally("wait", "x", "--until", condition, "-i", "20ms", "-t", "150ms",
                 path=agent.path)[0] == code


def test_wait_outlasts_errors_that_may_pass(fake):
    answers = iter([Refusal(10, "THROTTLED", "slow", retryable=True), None, count_of(0)])

    def answer(_):
        said = next(answers)
        if isinstance(said, Refusal):
            raise said
        return said

    agent = fake(count=answer)
    code, out, err = tally("wait", "x", "--until", "count == 0", "-i", "10ms", path=agent.path)
    assert (code, out) == (0, "0\n")
    assert "THROTTLED: slow; retrying" in err


def test_wait_gives_up_on_errors_that_stay(fake):
    def refuse(_):
        raise Refusal(3, "UNKNOWN_TRIGGER", "no such trigger")

    agent = fake(count=refuse)
    assert tally("wait", "x", "--until", "active", path=agent.path)[0] == 1
    assert len(agent.requests) == 1


def test_wait_waits_for_the_agent(fake, folder):
    path = os.path.join(folder, "tally.sock")
    threading.Timer(0.3, lambda: fake(count=lambda _: count_of(0))).start()
    assert tally("wait", "x", "--until", "count == 0", path=path) == (0, "0\n", "")


def test_wait_without_an_agent_exits_3_at_its_deadline(folder):
    start = time.monotonic()
    code, out, _ = tally("wait", "x", "--until", "active", "-t", "300ms", "-i", "50ms",
                         path=os.path.join(folder, "none"))
    assert (code, out) == (3, "")
    assert time.monotonic() - start >= 0.2


# ---- watch ----

def watch(path, *arguments):
    return subprocess.Popen([TALLY, "-s", path, "watch", "orders", *arguments],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(child):
    child.terminate()
    out, err = child.communicate(timeout=30)
    return out.decode(), err.decode()


THROTTLED = {"trigger": "prod/orders", "error": {"code": 10, "name": "THROTTLED",
                                                 "message": "slow", "retryable": True}}


def test_watch_prints_a_line_for_each_change(fake):
    agent = fake(watch=lambda _: result("watch-answer"),
                 notifications=[count_of(7), count_of(8, "stale"), THROTTLED])
    child = watch(agent.path, "--max-age", "5s")
    lines = [child.stdout.readline().decode() for _ in range(3)]
    _, err = finish(child)
    assert err == ""
    assert lines[0].split()[1:] == ["7", "exact"]
    assert lines[1].split()[1:] == ["8", "stale"]
    assert lines[2].split()[1:] == ["-", "THROTTLED:", "slow"]
    params, = next(params for method, params in agent.requests if method == "watch")
    assert (params["trigger"], params["max_age_ms"]) == ("orders", 5000)


def test_watch_as_json_lines(fake):
    agent = fake(watch=lambda _: result("watch-answer"), notifications=[count_of(7), THROTTLED])
    child = watch(agent.path, "-o", "json")
    first, second = (json.loads(child.stdout.readline()) for _ in range(2))
    finish(child)
    assert first["count"] == 7
    assert second == THROTTLED


def test_watch_ends_with_its_trigger(fake):
    gone = {"trigger": "prod/orders", "error": {"code": 3, "name": "UNKNOWN_TRIGGER",
                                                "message": "gone", "retryable": False}}
    agent = fake(watch=lambda _: result("watch-answer"), notifications=[count_of(7), gone])
    code, out, err = tally("watch", "orders", path=agent.path)
    assert (code, err) == (1, "tally: UNKNOWN_TRIGGER: gone\n")
    assert out.count("\n") == 1


def test_watch_outlasts_a_restart(fake):
    first = fake(watch=lambda _: result("watch-answer"), notifications=[count_of(7)])
    child = watch(first.path)
    assert child.stdout.readline().split()[1] == b"7"
    first.__exit__()
    time.sleep(0.1)
    fake(watch=lambda _: result("watch-answer"), notifications=[count_of(8)])
    assert child.stdout.readline().split()[1] == b"8"
    finish(child)


def test_watch_without_an_agent_exits_3(folder):
    assert tally("watch", "x", path=os.path.join(folder, "none"))[0] == 3


def test_watch_needs_a_first_answer_in_time(fake):
    agent = fake(watch=lambda _: result("watch-answer"))
    assert tally("watch", "x", "-t", "200ms", path=agent.path)[0] == 4


def test_watch_says_why_a_count_is_stale(fake):
    agent = fake(watch=lambda _: result("watch-answer"), notifications=[result("count-answer-stale")])
    child = watch(agent.path)
    line = child.stdout.readline().decode()
    finish(child)
    assert line.split()[1:4] == ["25000", "stale", "THROTTLED:"] and len(line.split()) > 5


def test_watch_waits_for_a_slow_first_count_and_says_so(fake):
    agent = fake(watch=lambda _: result("watch-answer"))
    child = watch(agent.path)
    assert b"the first count takes long" in child.stderr.readline()
    assert child.poll() is None
    finish(child)


def test_watch_gives_up_on_an_agent_that_hangs(fake):
    agent = fake(watch=lambda _: result("watch-answer"), ping=lambda _: time.sleep(20))
    code, _, err = tally("watch", "x", path=agent.path)
    assert code == 4 and "the agent does not answer" in err


def test_watch_ends_with_its_reader(fake):
    agent = fake(watch=lambda _: result("watch-answer"), notifications=[count_of(7)])
    child = watch(agent.path)
    assert child.stdout.readline()
    child.stdout.close()
    assert child.wait(10) == 0
    child.stderr.close()


# ---- terminals ----

def in_terminal(arguments, keys=b"", until=b"", env=None, columns=80):
    """Runs the command in its own terminal; returns exit code and output."""
    pid, master = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job in the background ignores it
        os.execve(TALLY, [TALLY, *arguments],
                  {"PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8", "PAGER": "cat",
                   **(env or {})})
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    shown, sent, deadline = b"", False, time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:
                break
        if until in shown and keys and not sent:
            os.write(master, keys)
            sent = True
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_top_shows_and_leaves_the_terminal_as_it_was(fake):
    agent = fake(status=lambda _: result("status-answer"), list=lambda _: result("list-answer"))
    code, shown = in_terminal(["-s", agent.path, "top", "-i", "100ms"], b"q", b"q ends")
    assert code == 0
    assert shown.index("\x1b[?1049h") < shown.index("tallyd 1.2.3") < shown.index("\x1b[?1049l")
    for word in ("prod/orders", "ACCESS_DENIED", "1000", "RCU/s"):
        assert word in shown


def test_top_shows_errors_on_the_old_screen(fake):
    agent = fake(status=lambda _: {})
    code, shown = in_terminal(["-s", agent.path, "top"])
    assert code == 1
    assert "UNKNOWN_METHOD" in shown[shown.index("\x1b[?1049l"):]


def test_colours_in_a_terminal_unless_refused(fake):
    agent = fake(status=lambda _: result("status-answer"))
    assert "\x1b[1m" in in_terminal(["-s", agent.path, "status"])[1]
    assert "\x1b" not in in_terminal(["-s", agent.path, "status"], env={"NO_COLOR": "1"})[1]
    assert "\x1b" not in in_terminal(["-s", agent.path, "status"], env={"TERM": "dumb"})[1]


def test_watch_draws_a_bar_in_a_terminal(fake):
    agent = fake(watch=lambda _: result("watch-answer"), notifications=[count_of(500)])
    code, shown = in_terminal(["-s", agent.path, "watch", "x"], b"\x03", b"exact")
    assert code == -2
    assert "██" in shown


def seen_lines(shown):
    """Without colours and other control sequences."""
    return re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", shown).splitlines()


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("verb", [["list"], ["explain", "x"], ["status"], ["whoami"]])
def test_no_line_is_wider_than_the_terminal(fake, verb, columns):
    agent = fake(list=lambda _: result("list-answer"), explain=lambda _: result("explain-answer"),
                 status=lambda _: result("status-answer"), whoami=lambda _: result("whoami-answer"))
    code, shown = in_terminal(["-s", agent.path, *verb], columns=columns)
    lines = seen_lines(shown)
    assert code == 0 and len(lines) > 3
    # A word that is too long, such as an ARN or a record's key, is not broken, so that it can be
    # copied.
    wide = [line for line in lines if len(line) > columns]
    assert all(len(line.split()[-1]) > 15 for line in wide), wide
    assert len(wide) < 13, wide
    if columns == 200:
        assert not wide
    if columns == 200 and verb == ["list"]:
        assert "IDENTITY" in shown and "…" not in shown


def test_top_fits_a_narrow_terminal(fake):
    agent = fake(status=lambda _: result("status-answer"), list=lambda _: result("list-answer"))
    _, shown = in_terminal(["-s", agent.path, "top"], b"q", b"q ends", columns=40)
    assert max(map(len, seen_lines(shown))) <= 40
    assert "prod/orders" in shown and "1000" in shown


def test_a_long_answer_goes_through_the_pager(fake, tmp_path):
    agent = fake(status=lambda _: result("status-answer"))
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\nsed 's/^/paged: /'\n")
    pager.chmod(0o755)
    arguments = ["-s", agent.path, "status"]
    for env in ({"PAGER": str(pager)}, {"PAGER": "cat", "TALLY_PAGER": str(pager)}):
        code, shown = in_terminal(arguments, env=env)
        assert code == 0 and "paged: " in shown and "\x1b[1m" in shown
    for env in ({"PAGER": str(pager), "TERM": "dumb"}, {"PAGER": ""}, {"PAGER": "no-such-pager"},
                {"PAGER": str(pager), "TALLY_PAGER": ""}):
        assert "paged: " not in in_terminal(arguments, env=env)[1]
    code, shown = in_terminal(["-s", agent.path + "x", "status"], env={"PAGER": str(pager)})
    assert code == 3 and "NOAGENT" in shown
    # Leaving the pager early is not an error.
    pager.write_text("#!/bin/sh\nhead -n 1\n")
    assert in_terminal(arguments, env={"PAGER": str(pager)})[0] == 0


def test_no_byte_beyond_ascii_where_the_locale_has_none(fake):
    many = {**result("list-answer")}
    many["triggers"][0]["name"] = "prod/bestellungen-größe"
    agent = fake(list=lambda _: many, watch=lambda _: result("watch-answer"),
                 notifications=[{**count_of(500), "target": 1000}])
    ascii_locale = {"LC_ALL": "C"}
    for columns in (40, 200):
        _, shown = in_terminal(["-s", agent.path, "list"], env=ascii_locale, columns=columns)
        assert shown.isascii() and "prod/best" in shown
    _, shown = in_terminal(["-s", agent.path, "watch", "x"], b"\x03", b"exact", env=ascii_locale)
    assert shown.isascii() and "##" in shown


def test_a_dumb_terminal_gets_no_escapes(fake):
    agent = fake(status=lambda _: result("status-answer"), list=lambda _: result("list-answer"),
                 watch=lambda _: result("watch-answer"), notifications=[count_of(500)])
    for env in ({"TERM": "dumb"}, {"TERM": ""}):
        for verb in (["status"], ["list"], ["count", "x"]):
            assert "\x1b" not in in_terminal(["-s", agent.path, *verb], env=env)[1]
        assert "\x1b" not in in_terminal(["-s", agent.path, "watch", "x"], b"\x03", b"exact",
                                         env=env)[1]
        code, shown = in_terminal(["-s", agent.path, "top"], env=env)
        assert code == 2 and "\x1b" not in shown and "TERM" in shown


def test_the_bars_of_a_watch_have_one_scale(fake):
    counts = [{**count_of(number), "target": 1000} for number in (250, 1000, 2500)]
    agent = fake(watch=lambda _: result("watch-answer"), notifications=counts)
    _, shown = in_terminal(["-s", agent.path, "watch", "x"], b"\x03", b"2.5x target")
    quarter, whole, over = (line.count("█") for line in shown.splitlines() if "exact" in line)
    assert whole == over and abs(whole - 4 * quarter) <= 4


# ---- sockets and install ----

def node(folder, uid, path=("run",)):
    """A folder as kubelet creates it for an emptyDir."""
    place = os.path.join(folder, "pods", uid, "volumes", "kubernetes.io~empty-dir", *path)
    os.makedirs(place)
    return os.path.join(place, "tally.sock")


def test_sockets_finds_the_agents_of_pods(folder):
    long_uid = "6f7e0e1c-4f3e-4c0b-9d53-2b8f1f6f0a11"
    logs = os.path.join(folder, "logs")
    os.makedirs(os.path.join(logs, f"shop_orders-7d9f_{long_uid}"))
    deep = node(folder, long_uid, ("tally-socket-" + "x" * 60,))
    assert len(deep) > 107
    with FakeAgent(deep), FakeAgent(node(folder, "dead"), hello=NEVER):
        env = {"TALLY_POD_LOGS": logs, "TALLY_SOCKETS": ":".join(
            [os.path.join(folder, "pods/*/volumes/*/*/tally*.sock"), "/no/*/where"])}
        code, out, err = tally("sockets", env=env)
        assert (code, err) == (0, "")
        rows = {row.split()[0]: row.split() for row in out.splitlines()}
        uid = str(os.getuid())
        assert rows["shop/orders-7d9f"] == ["shop/orders-7d9f", long_uid, "1.2.3", uid, deep]
        assert rows["dead"][2] == "NOAGENT"
        code, out, _ = tally("sockets", "-o", "json", env=env)
        found = {entry["pod_uid"]: entry for entry in json.loads(out)}
        assert found[long_uid] == {"path": deep, "pod_uid": long_uid, "pod": "shop/orders-7d9f",
                                   "peer_uid": os.getuid(), "version": "1.2.3"}
        assert found["dead"]["error"] == "NOAGENT"
        assert tally("ping", path=deep)[0] == 0


def test_sockets_without_any_says_so(folder):
    code, out, err = tally("sockets", os.path.join(folder, "*.sock"))
    assert (code, out) == (0, "")
    assert "no agent's socket" in err


def test_install_puts_a_running_copy_into_a_folder(folder):
    code, out, _ = tally("install", folder)
    copy = os.path.join(folder, "tally")
    assert (code, out) == (0, copy + "\n")
    assert stat.S_IMODE(os.stat(copy).st_mode) == 0o755
    assert os.listdir(folder) == ["tally"]
    done = subprocess.run([copy, "--version"], capture_output=True, check=True)
    assert done.stdout.decode() == tally("--version")[1]
    assert tally("install", folder)[0] == 0  # replaces an older one


def test_install_into_nowhere_is_reported(folder):
    code, out, err = tally("install", os.path.join(folder, "none"))
    assert (code, out) == (1, "")
    assert err.startswith("tally: SYSTEM: cannot write into")
    assert err.count("\n") == 1


def test_a_full_disk_is_reported(fake):
    agent = fake(status=lambda _: result("status-answer"))
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([TALLY, "-s", agent.path, "status"], stdout=full,
                              stderr=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == 1
    assert b"cannot write the result" in done.stderr


# ---- with the real agent ----

def test_wait_with_the_real_agent(start):
    agent = start(small_object())
    assert agent.cli("wait", "small", "--until", "count == 7 and active") == (0, "7\n", "")


def test_prometheus_with_the_real_agent(start):
    agent = start(small_object())
    agent.cli("count", "small")
    code, out, err = agent.cli("status", "-o", "prometheus")
    assert (code, err) == (0, "")
    assert promtool(out) == (0, "")
    assert promtool(agent.cli("count", "small", "-o", "prometheus")[1]) == (0, "")
    assert 'tally_trigger_items{trigger="shop/small",table="orders"} 7\n' in out
    assert 'tally_aws_calls_total{service="sts",result="ok"} 1\n' in out


def test_sockets_with_the_real_agent(start):
    agent = start(small_object())
    code, out, _ = agent.cli("sockets", "-o", "json", agent.socket)
    assert code == 0
    assert [entry["path"] for entry in json.loads(out)] == [agent.socket]


def test_watch_with_the_real_agent(start):
    agent = start(small_object())
    code, _, err = agent.cli("watch", "nothing")
    assert (code, err.startswith("tally: UNKNOWN_TRIGGER: ")) == (1, True)
    child = subprocess.Popen([TALLY, "-s", agent.socket, "watch", "small"], stdout=subprocess.PIPE)
    assert child.stdout.readline().split()[1:] == [b"7", b"exact"]
    agent.kill()
    agent.start()
    assert child.stdout.readline().split()[1:] == [b"7", b"exact"]
    child.terminate()
    child.communicate(timeout=30)
