# SPDX-License-Identifier: Apache-2.0
"""tally doctor: each fault is reported at its step, with what to do. And tally --all."""

import json
import os
import socket
import subprocess
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateway.world import ROLE, SUBJECT

from . import test_faults as faults
from .agent import TALLY, Agent
from .fake_agent import FakeAgent
from .test_cli import folder, tally  # pylint: disable=unused-import
from .yaml_files import pending_object, scaled_object, small_object, trigger

EVERY_STEP = ["socket", "agent", "configuration", "identity", "token", "proxy", "name", "ca", "tls",
              "clock", "sts", "table", "failures", "cost"]


class Report:
    """What the doctor said."""

    def __init__(self, agent, *arguments, timeout="6s", run=None):
        line = ("-o", "json", "-t", timeout, "doctor", *arguments)
        self.code, out, self.err = run(*line) if run else agent.cli(*line)
        self.entries = json.loads(out)

    def at(self, step):
        """The worst entry of a step."""
        order = ["skipped", "ok", "warning", "problem"]
        found = [entry for entry in self.entries if entry["step"] == step]
        assert found, (step, self.entries)
        return max(found, key=lambda entry: order.index(entry["state"]))

    def steps(self, *states):
        return [entry["step"] for entry in self.entries if entry["state"] in states]

    def check(self, step, state, *words, code=None):
        """This step alone is so, and its advice has these words."""
        assert self.code == {"problem": 1, "warning": 0}[state] if code is None else code, self.entries
        assert self.steps("problem", "warning") == [step], self.entries
        entry = self.at(step)
        assert entry["state"] == state and entry["advice"], entry
        for word in words:
            assert word in entry["found"] + " " + entry["advice"], (word, entry)


# ---- nothing is wrong ----

def test_all_is_well(start, world):
    agent = start(small_object())
    report = Report(agent)
    assert (report.code, report.err) == (0, "")
    assert [entry["step"] for entry in report.entries] == EVERY_STEP
    assert report.steps("skipped") == ["tls"]  # the gateway is on loopback
    assert report.steps("problem", "warning") == []
    assert all(entry["advice"] == "" for entry in report.entries)
    assert "orders in eu-west-1 (shop/small): at least 1 item" in report.at("table")["found"]
    assert "assumed-role/orders-worker" in report.at("identity")["found"]
    assert "sts.amazonaws.com" in report.at("token")["found"]
    assert agent.rpc("status")["consumed_rcu"] <= 0.5
    assert world.calls("dynamodb", "Query") == 1


def test_one_trigger_of_each_identity_and_table_is_counted(start, world):
    agent = start(*(scaled_object(name, trigger(value={"S": name})) for name in "abc"),
                  scaled_object("indexed", trigger("jobs", "state", indexName="by-state")))
    report = Report(agent)
    assert report.code == 0
    assert [entry["step"] for entry in report.entries].count("table") == 2
    assert world.calls("dynamodb", "Query") == 2


def test_the_text_has_a_line_for_each_step(start, world):
    agent = start(small_object())
    code, out, err = agent.cli("doctor", "small")
    assert (code, err) == (0, "")
    assert [line.split()[1] for line in out.splitlines() if not line[:1] in (" ", "")][:-1] == EVERY_STEP
    assert out.endswith("\n0 problems, 0 warnings, 13 ok\n")
    world.fault(action="Query", code="ResourceNotFoundException")
    code, out, _ = agent.cli("-t", "6s", "doctor", "small")
    assert code == 1 and "\n1 problem, 0 warnings, 12 ok\n" in out
    assert "to do: create the table" in out


# ---- the socket and the agent ----

def test_no_agent(folder):
    path = os.path.join(folder, "none")
    report = Report(None, run=lambda *line: tally(*line, path=path))
    report.check("socket", "problem", "NOAGENT", path, "tally sockets", code=3)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_a_socket_of_others(start):
    agent = start(small_object())
    os.chmod(agent.folder, 0o755)

    def run(*line):
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", TALLY,
                               "-s", agent.socket, *line], capture_output=True, check=False,
                              timeout=60)
        return done.returncode, done.stdout, done.stderr.decode()

    Report(agent, run=run).check("socket", "problem", "uid 65534", "supplementalGroups", code=3)


def test_a_user_that_is_not_allowed(start):
    agent = start(small_object(), options=["--allow-uid", "4711"])
    Report(agent).check("socket", "problem", "NOT_ALLOWED", "--allow-uid")


def test_an_agent_that_does_not_answer(folder):
    path = os.path.join(folder, "tally.sock")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        begun = time.monotonic()
        report = Report(None, timeout="800ms", run=lambda *line: tally(*line, path=path))
    assert time.monotonic() - begun < 5
    report.check("agent", "problem", "DEADLINE", code=4)


def test_an_older_agent(folder):
    """It has no `diagnose`, and another version."""
    path = os.path.join(folder, "tally.sock")
    with FakeAgent(path, list=lambda _: {"triggers": []}, whoami=lambda _: {"identities": []},
                   status=lambda _: {"version": "0.0.9"},
                   hello=lambda _: {"protocol": "tally", "version": 1, "agent": "0.0.9",
                                    "methods": []}):
        report = Report(None, run=lambda *line: tally(*line, path=path))
    assert report.at("agent")["state"] == "warning" and "0.0.9" in report.at("agent")["found"]
    assert report.at("configuration")["state"] == "problem"
    assert report.at("ca")["state"] == "skipped"


# ---- the configuration ----

def test_a_configuration_that_was_refused(start):
    agent = start(small_object())
    agent.write_config(config="{")
    agent.wait_for_log("reload_failed")
    Report(agent).check("configuration", "problem", "config.yaml", "tallyd --check")


def test_a_configuration_with_a_warning(start):
    agent = start(scaled_object("small", trigger(targetValeu="5")))
    Report(agent).check("configuration", "warning", "targetValeu", "tallyd --check")


def test_an_unknown_trigger(start):
    Report(start(small_object()), "smal").check("configuration", "problem", "shop/small", "tally list")


# ---- the identity and its token ----

def test_no_credentials_are_configured(start):
    agent = start(small_object(), env={"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None})
    Report(agent).check("identity", "problem", "tally whoami")


def test_a_token_that_is_not_there(start, pod):
    agent = pod(small_object())
    agent.env["AWS_WEB_IDENTITY_TOKEN_FILE"] += "-gone"
    agent.start()
    report = Report(agent)
    assert report.code == 1 and set(report.steps("problem")) == {"token"}
    assert "token-gone" in report.at("token")["found"]
    assert "projected volume" in report.at("token")["advice"]
    assert "see token" in report.at("table")["found"]


def test_a_token_that_expired(pod, world):
    agent = pod(small_object())
    agent.mount.write(token=world.token(lifetime=-100))
    agent.start()
    report = Report(agent)
    assert report.code == 1 and set(report.steps("problem")) == {"token"}
    assert any("expired 1" in entry["found"] for entry in report.entries)
    assert "kubelet renews" in report.at("token")["advice"]


def test_a_token_of_another_audience(pod, world):
    agent = pod(small_object())
    agent.mount.write(token=world.token(audience="https://kubernetes.default.svc"))
    agent.start()
    report = Report(agent)
    assert report.code == 1 and set(report.steps("problem", "warning")) == {"token"}
    assert any("sts.amazonaws.com" in entry["advice"] for entry in report.entries)


def test_a_token_that_is_no_token(pod):
    agent = pod(small_object())
    agent.mount.write(token="no token\nat all\n")
    agent.start()
    report = Report(agent)
    assert report.code == 1 and set(report.steps("problem")) == {"token"}


# ---- the way to AWS ----

def test_a_role_that_does_not_trust_the_account(start, world):
    world.role(arn=ROLE + "-other", web_identity="system:serviceaccount:shop:another")
    agent = start(small_object(), env={"AWS_ROLE_ARN": ROLE + "-other"})
    Report(agent).check("sts", "problem", "trust policy")


def test_an_unknown_name(start):
    agent = start(small_object(), env={"AWS_ENDPOINT_URL_STS": "https://sts.nowhere.invalid"})
    Report(agent).check("name", "problem", "sts.nowhere.invalid", "NetworkPolicy", "53")


def test_a_proxy_that_is_away(start):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        agent = start(small_object(), env={
            "HTTPS_PROXY": f"http://127.0.0.1:{unused.getsockname()[1]}",
            "AWS_ENDPOINT_URL_DYNAMODB": "https://dynamodb.example.test"})
        Report(agent).check("proxy", "problem", "HTTPS_PROXY", "NO_PROXY")


def test_a_proxy_is_named(start):
    agent = start(small_object(), env={"HTTPS_PROXY": "http://alice:secret@127.0.0.1:9",
                                       "NO_PROXY": "example.com",
                                       "AWS_ENDPOINT_URL_DYNAMODB": "https://dynamodb.test"})
    answer = agent.rpc("diagnose")
    assert answer["endpoints"][0]["proxy"].endswith("127.0.0.1:9")
    assert answer["endpoints"][0]["proxy_variable"] == "HTTPS_PROXY"
    assert answer["no_proxy"] == "example.com" and "secret" not in str(answer)


@pytest.mark.parametrize("kind, word", [("unknown-ca", "issuer"), ("expired", "expired")])
def test_a_certificate_that_is_not_trusted(start, world, tmp_path, kind, word):
    (tmp_path / "ca.pem").write_text(world.ca())
    agent = start(small_object(), env={"AWS_CA_BUNDLE": str(tmp_path / "ca.pem"),
                                       "AWS_ENDPOINT_URL_DYNAMODB": world.listen(
                                           service="dynamodb", tls=kind)})
    report = Report(agent)
    report.check("tls", "problem", word, "AWS_CA_BUNDLE")
    assert str(tmp_path / "ca.pem") in report.at("ca")["found"]


def test_a_certificate_that_is_trusted(start, world, tmp_path):
    (tmp_path / "ca.pem").write_text(world.ca())
    agent = start(small_object(), env={"AWS_CA_BUNDLE": str(tmp_path / "ca.pem"),
                                       "AWS_ENDPOINT_URL_DYNAMODB": world.listen(
                                           service="dynamodb", tls="good")})
    report = Report(agent)
    assert report.code == 0 and report.steps("skipped", "warning") == []


def test_a_bundle_that_is_gone(pod, tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    agent = pod(small_object(), env={"AWS_CA_BUNDLE": str(bundle)}).start()
    bundle.unlink()
    Report(agent).check("ca", "problem", str(bundle), "ca-certificates")


def test_a_variable_that_is_not_read(start):
    agent = start(small_object(), env={"SSL_CERT_FILE": "/etc/corp.pem"})
    Report(agent).check("ca", "warning", "SSL_CERT_FILE", "AWS_CA_BUNDLE")


def test_a_clock_that_is_off(start, world):
    world.clock_offset(seconds=900)
    report = Report(start(small_object()))
    report.check("clock", "warning", "behind", "chrony")


# ---- the table ----

def test_a_table_that_is_not_there(start):
    agent = start(scaled_object("none", trigger("no-such-table")), small_object())
    report = Report(agent)
    report.check("table", "problem", "no-such-table", "create the table")
    assert "ok" in [entry["state"] for entry in report.entries if entry["step"] == "table"]


def test_a_role_that_may_not_query(start, world):
    world.role(arn=ROLE + "-denied", web_identity=SUBJECT, deny=["dynamodb:Query"])
    agent = start(small_object(), env={"AWS_ROLE_ARN": ROLE + "-denied"})
    Report(agent).check("table", "problem", "AccessDenied", "allow dynamodb:Query")


def test_a_client_value_that_is_missing(start):
    agent = start(scaled_object("own", trigger(clientValues=":c", filterExpression="colour = :c")))
    Report(agent).check("table", "problem", "--value", ":c")
    assert Report(agent, "own", "--value", ":c=x").code == 0


def test_a_number_that_is_stale_is_no_health(start, world):
    agent = start(small_object())
    agent.rpc("count", trigger="small")
    world.fault(action="Query", code="ProvisionedThroughputExceededException")
    Report(agent).check("table", "problem", "THROTTLED", "read capacity")


def test_a_service_that_is_silent(start, world):
    world.fault(action="Query", latency=60)
    agent = start(small_object())
    begun = time.monotonic()
    report = Report(agent, timeout="2s")
    assert time.monotonic() - begun < 6
    assert report.at("table")["state"] == "problem" and "TCP 443" in report.at("table")["advice"]
    assert report.code == 4  # nothing is known but that there was no answer


def test_a_share_table_that_is_not_there(start):
    agent = start(small_object(), options=["--share-table", "no-such-share"])
    agent.rpc("count", trigger="small")
    report = Report(agent)
    report.check("share", "warning", "no-such-share", "ResourceNotFound", "partition key")
    assert "ok" == report.at("table")["state"]


def test_a_budget_that_is_used_up(start, pending):
    agent = start(pending_object(), small_object(), options=["--budget", "100"])
    agent.rpc("count", trigger="pending", timeout_ms=60_000)
    Report(agent, "small").check("cost", "problem", "BUSY", "--budget", "countLimit")


def test_another_trigger_that_failed(start, world):
    agent = start(scaled_object("a"), scaled_object("b", trigger(value={"S": "b"})))
    world.fault(action="Query", code="ValidationException", times=1)
    agent.cli("count", "b")
    Report(agent, "a").check("failures", "warning", "shop/b", "ValidationException")


# ---- all faults of the matrix ----

def expected_step(fault, service):
    """Where the matrix's fault at this service is looked for."""
    if fault.meaning is faults.SKEWS:
        return "clock"
    if fault.meaning is faults.EXPIRES:
        return "identity"
    return {"dynamodb": "table", "sts": "sts"}.get(service, "credentials")


def passes(fault, service):
    """Whether the doctor's patience is enough for credentials that arrive slowly."""
    return fault.name == "slow-body" and service != "dynamodb"


def look(gateway, fault, service):
    """What is wrong with the report on this fault, or None."""
    world = gateway.world()
    cell = faults.Cell(fault, service, world)
    try:
        cell.agent.start()
        cell.begin()
        report = Report(cell.agent, timeout="5s")
        step = expected_step(fault, service)
        if passes(fault, service) and report.code == 0:
            return None
        entry = report.at(step)
        assert report.code in (1, 4), report.entries
        assert entry["state"] == "problem" and entry["advice"], report.entries
        assert fault.code in entry["found"], entry
        assert set(report.steps("problem")) == {step}, report.entries
    except Exception:
        return f"{fault.name} at {service}: {traceback.format_exc()}"
    finally:
        cell.agent.finish()
        world.close()
    return None


@pytest.mark.parametrize("service", faults.SERVICES)
def test_each_fault_is_reported_at_its_step(gateway, tables, service):
    cells = [fault for fault in faults.FAULTS if service in fault.services]
    with ThreadPoolExecutor(8) as pool:
        wrong = list(pool.map(lambda fault: look(gateway, fault, service), cells))
    wrong = [report for report in wrong if report is not None]
    assert not wrong, f"{len(wrong)} of {len(cells)} faults:\n" + "\n".join(wrong)


# ---- --all ----

def node_of(folder, *agents):
    """The environment in which `tally sockets` finds these agents."""
    return {"TALLY_SOCKETS": ":".join(agent.socket for agent in agents)}


def test_a_verb_with_all_agents(start, folder):
    one, other = start(small_object()), start(pending_object())
    env = node_of(folder, one, other)
    code, out, err = tally("--all", "list", env=env)
    assert (code, err) == (0, "")
    first, second = out.split("\n\n")
    assert first.startswith(one.socket + "\nTRIGGER") and "shop/small" in first
    assert second.startswith(other.socket + "\nTRIGGER") and "shop/pending" in second
    code, out, _ = tally("-o", "json", "list", "--all", env=env)
    answer = json.loads(out)
    assert code == 0 and list(answer) == [one.socket, other.socket]
    assert answer[other.socket]["triggers"][0]["name"] == "shop/pending"


def test_the_worst_of_all_agents_is_the_exit_code(start, folder):
    one, other = start(small_object()), start(pending_object())
    env = node_of(folder, one, other)
    code, out, err = tally("--all", "-o", "json", "count", "small", env=env)
    answer = json.loads(out)
    assert (code, err) == (1, "") and answer[one.socket]["count"] == 7
    assert answer[other.socket]["error"]["name"] == "UNKNOWN_TRIGGER"
    code, out, err = tally("--all", "count", "small", env=env)
    assert (code, err) == (1, "") and "\n7\n" in out and "UNKNOWN_TRIGGER" in out
    other.kill()
    code, out, _ = tally("--all", "status", env=env)
    assert code == 3 and "NOAGENT" in out and "uptime" in out
    code, out, _ = tally("--all", "-o", "json", "doctor", env=env)
    answer = json.loads(out)
    assert code == 3 and answer[one.socket][0]["found"].startswith(one.socket)
    assert answer[other.socket]["error"]["name"] == "NOAGENT"


def test_no_agent_at_all(folder):
    env = {"TALLY_SOCKETS": os.path.join(folder, "*.sock")}
    code, out, err = tally("--all", "list", env=env)
    assert (code, out) == (3, "") and "TALLY_SOCKETS" in err
    code, out, _ = tally("--all", "-o", "json", "list", env=env)
    assert code == 3 and json.loads(out) == {}


@pytest.mark.parametrize("arguments, words", [
    (["--all", "watch", "x"], "watch does not take option --all"),
    (["--all", "-o", "prometheus", "list"], "--all: has text and json"),
])
def test_what_cannot_be_asked_of_all(arguments, words):
    code, out, err = tally(*arguments)
    assert (code, out) == (2, "") and words in err
