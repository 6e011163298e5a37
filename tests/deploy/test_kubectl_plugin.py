# SPDX-License-Identifier: Apache-2.0
"""kubectl-tally with the real kubectl in front of an API server of the test, and an agent for each pod;
only `kubectl exec` is replaced."""

import json
import os
import pty
import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from tests.gateway.local import ROOT
from tests.integration.agent import BUILD, SANITIZER_OPTIONS, TALLY
from tests.integration.yaml_files import scaled_object, trigger

from .kube_api import KubeApi

UP = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
PLUGIN = os.path.join(ROOT, "deploy/kubectl-tally")
FAKE = os.path.join(os.path.dirname(__file__), "fake_kubectl.py")
KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


def pod(name, app="orders-worker", sidecar="tally", running=True, ready=True, terminating=False,
        native=True, namespace="default"):
    """As the API server shows one, in what the plugin reads."""
    status = [{"name": sidecar, "ready": ready,
               "state": UP if running else {"waiting": {"reason": "ImagePullBackOff"}}}]
    worker = {"name": "worker"}
    up = {"name": "worker", "ready": True, "state": UP}
    containers, init = [worker], [{"name": "migrate"}]
    (init if native else containers).append({"name": sidecar})
    done = {"name": "migrate", "ready": True, "state": {"terminated": {"exitCode": 0}}}
    return {"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": app},
                         **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if terminating else {})},
            "spec": {"containers": containers, "initContainers": init},
            "status": {"phase": "Running",
                       "containerStatuses": [up, *(status if not native else [])],
                       "initContainerStatuses": [done, *(status if native else [])]}}


def workload(kind, name, selector, namespace="default"):
    return {"kind": kind, "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
            "metadata": {"name": name, "namespace": namespace}, "spec": {"selector": selector}}


ORDERS = workload("Deployment", "orders-worker", {"matchLabels": {"app": "orders-worker"}})


@pytest.fixture(name="api")
def api_server():
    server = KubeApi()
    yield server
    server.close()


@pytest.fixture(name="cluster")
def a_cluster(api, tmp_path):
    """A PATH with the plugin and the fake; `run` returns code, stdout, stderr."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "kubectl").symlink_to(FAKE)
    (bin_folder / "kubectl-tally").symlink_to(PLUGIN)
    log, sockets = tmp_path / "log", {}
    environment = {"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": str(tmp_path), "TALLY": TALLY,
                   "REAL_KUBECTL": KUBECTL, "SERVER": api.url, "LOG": str(log), **SANITIZER_OPTIONS}

    def run(*arguments):
        done = subprocess.run(["kubectl-tally", *arguments], capture_output=True, text=True, timeout=60,
                              env={**environment, "SOCKETS": json.dumps(sockets)}, check=False,
                              stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def calls():
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    return SimpleNamespace(api=api, run=run, calls=calls, sockets=sockets, environment=environment)


@pytest.fixture(name="pods")
def pods_with_agents(cluster, start, tmp_path):
    """Creates the pods, and an agent for those of `agents`."""
    def make(*made, agents=()):
        cluster.api.objects += [ORDERS, *made]
        for item in made:
            name = item["metadata"]["name"]
            cluster.sockets[name] = str(tmp_path / f"{name}.sock")
            if name in agents:
                cluster.sockets[name] = start(scaled_object("orders", trigger())).socket
        return cluster

    return make


def executed(cluster):
    """(pod, words after --) of each call of kubectl exec."""
    return [(call[call.index("exec") + 1], call[call.index("--") + 1:]) for call in cluster.calls()]


@pytest.mark.parametrize("native", [True, False], ids=["native", "classic"])
@pytest.mark.parametrize("target", ["deploy/orders-worker", "deployment/orders-worker",
                                    "deployments.apps/orders-worker", "pod/one", "po/one", "one"])
def test_counts_in_the_sidecar(pods, target, native):
    cluster = pods(pod("one", native=native), agents=["one"])
    assert cluster.run("count", target, "orders") == (0, "7\n", "")
    assert cluster.calls() == [["exec", "one", "-c", "tally", "--", "/tally", "count", "orders"]]


def test_options_stand_where_they_are_typed(pods):
    cluster = pods(pod("one", namespace="shop"), workload("Deployment", "orders-worker", {
        "matchLabels": {"app": "orders-worker"}}, namespace="shop"), agents=["one"])
    for words in (["-n", "shop", "-o", "json", "count", "deploy/orders-worker", "orders"],
                  ["count", "--namespace=shop", "deploy/orders-worker", "orders", "-ojson"],
                  ["--output=json", "count", "deploy/orders-worker", "orders", "-nshop"],
                  ["-n", "shop", "count", "deploy/orders-worker", "--", "orders", "-o", "json"]):
        code, out, err = cluster.run(*words)
        assert (code, json.loads(out)["count"], err) == (0, 7, ""), words
    code, _, err = cluster.run("count", "deploy/orders-worker", "orders")
    assert (code, err.count("\n")) == (3, 1) and "has no pods" in err


def test_what_is_after_the_dashes_is_the_verbs(pods):
    cluster = pods(pod("one"))
    cluster.run("call", "one", "--", "-n", "--all", "-c", "x y", "")
    assert executed(cluster) == [("one", ["/tally", "call", "-n", "--all", "-c", "x y", ""])]


def test_the_context_and_the_file_go_to_each_call(pods, tmp_path):
    cluster = pods(pod("one"))
    (tmp_path / "file").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "contexts": [
        {"name": "east", "context": {"cluster": "", "user": "", "namespace": "default"}}]}))
    cluster.run("ping", "one", "--context", "east", f"--kubeconfig={tmp_path}/file")
    call, = cluster.calls()
    assert call[:4] == ["--context", "east", f"--kubeconfig={tmp_path}/file", "exec"]
    code, _, err = cluster.run("ping", "one", "--context", "west", f"--kubeconfig={tmp_path}/file")
    assert code == 1 and "west" in err and len(cluster.calls()) == 1


@pytest.mark.parametrize("arguments,code", [
    (["count", "one", "nope"], 1), (["count", "one"], 2), (["count", "away", "orders"], 3),
    (["wait", "one", "orders", "--until", "count > 100", "--timeout", "100ms"], 4)])
def test_exit_codes_are_tallys(pods, arguments, code):
    cluster = pods(pod("one"), pod("away"), agents=["one"])
    got, out, err = cluster.run(*arguments)
    assert (got, out) == (code, "") and "tally: " in err and "kubectl-tally" not in err


def test_the_first_ready_pod_is_taken_and_named(pods):
    cluster = pods(pod("aa-going", terminating=True), pod("bb-starting", ready=False),
                   pod("cc-waiting", running=False, ready=False), pod("dd"), pod("ee"), agents=["dd"])
    code, out, err = cluster.run("count", "deploy/orders-worker", "orders")
    assert (code, out) == (0, "7\n")
    assert err == "kubectl-tally: note: 4 pods; this is dd (--all takes each)\n"
    assert [name for name, _ in executed(cluster)] == ["dd"]


def test_all_pods_with_the_worst_exit_code(pods):
    cluster = pods(pod("aa"), pod("bb"), pod("cc"), agents=["aa", "cc"])
    code, out, err = cluster.run("--all", "count", "deploy/orders-worker", "orders")
    assert (code, out) == (3, "7\n7\n")
    assert re.findall("^== (.*)$", err, re.M) == ["aa", "bb", "cc"]


@pytest.mark.parametrize("selector,expected", [
    ({"matchLabels": {"app": "a"}}, ["one"]),
    ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}, ["one", "two"]),
    ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a", "b"]}]}, ["three"]),
    ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, ["one", "three", "two"]),
    ({"matchLabels": {"app": "a"}, "matchExpressions": [
        {"key": "app", "operator": "DoesNotExist"}]}, []),
])
@pytest.mark.parametrize("kind", ["StatefulSet", "Job"])
def test_every_selector_of_a_workload(pods, kind, selector, expected):
    cluster = pods(pod("one", "a"), pod("two", "b"), pod("three", "c"), workload(kind, "it", selector))
    cluster.run("--all", "ping", f"{kind.lower()}/it")
    assert sorted(name for name, _ in executed(cluster)) == expected


@pytest.mark.parametrize("arguments,code,words", [
    (["list", "pod/none"], 1, ['"none" not found']),
    (["list", "deploy/none"], 1, ['"none" not found']),
    (["list", "nonsense/x"], 1, ["nonsense"]),
    (["list", "deploy/empty"], 3, ["deploy/empty has no pods", "scaled to 0"]),
    (["list", "pod/bare"], 3, ['no container "tally" in pod/bare', "migrate other worker"]),
    (["list", "pod/bare", "-c", "none"], 3, ['no container "none"']),
    (["list", "pod/broken"], 3, ['"tally" of pod/broken runs', "kubectl describe pod/broken"]),
    (["list", "svc/orders"], 2, ["svc/orders has no selector"]),
    ([], 2, ["no verb"]),
    (["list"], 2, ["list: no TARGET", "pod/NAME"]),
    (["list", "pod/broken", "-n"], 2, ["option -n requires an argument"]),
    (["count", "--max-age", "0", "pod/broken", "orders"], 2, ["--max-age", "go after TARGET"]),
    (["sockets", "pod/broken"], 2, ["sockets is for nodes"]),
    (["install", "pod/broken", "/opt"], 2, ["install is for nodes and images"]),
    (["--all", "watch", "deploy/empty", "orders"], 2, ["watch never ends"]),
])
def test_errors_say_what_is_wrong(pods, arguments, code, words):
    service = {"kind": "Service", "apiVersion": "v1",
               "metadata": {"name": "orders", "namespace": "default"}, "spec": {"selector": {"app": "x"}}}
    cluster = pods(pod("bare", sidecar="other"), pod("broken", running=False), service,
                   workload("Deployment", "empty", {"matchLabels": {"app": "empty"}}))
    got, out, err = cluster.run(*arguments)
    assert (got, out) == (code, ""), err
    assert cluster.calls() == []
    for word in words:
        assert word in err


def test_another_container(pods):
    cluster = pods(pod("one", sidecar="counter"), agents=["one"])
    assert cluster.run("count", "one", "orders", "-c", "counter")[:2] == (0, "7\n")


@pytest.mark.parametrize("verb,flags", [("top", ["-i", "-t"]), ("list", [])])
def test_a_terminal_is_passed_on_to_verbs_that_draw(pods, verb, flags):
    cluster = pods(pod("one"))
    master, slave = pty.openpty()
    try:
        subprocess.run(["kubectl-tally", verb, "one"], stdin=slave, stdout=slave, stderr=slave, timeout=60,
                       env={**cluster.environment, "SOCKETS": json.dumps(cluster.sockets)}, check=False)
    finally:
        os.close(master)
        os.close(slave)
    call, = cluster.calls()
    assert call == ["exec", *flags, "one", "-c", "tally", "--", "/tally", verb]


def test_kubectl_finds_it(cluster):
    done = subprocess.run([KUBECTL, "tally", "--help"], capture_output=True, text=True, timeout=60,
                          env=cluster.environment, check=False)
    assert done.returncode == 0 and done.stdout.startswith("Usage: kubectl tally")


def test_help_has_every_verb():
    usage = subprocess.run([PLUGIN, "--help"], capture_output=True, text=True, check=True).stdout
    answer = subprocess.run([os.path.join(BUILD, "tally"), "--help"], capture_output=True, text=True,
                          check=True).stdout
    verbs = set(re.findall(r"^  ([a-z]+)", answer.partition("Verbs\n")[2].partition("\n\n")[0], re.M))
    shown, = re.findall(r"^Verbs: (.*);", usage, re.M)
    assert set(shown.split()) == verbs - {"sockets", "install"}
