# SPDX-License-Identifier: Apache-2.0
"""The two-container pod of deploy/kubernetes in podman, with the image as sidecar and an application
that uses libtally, against DynamoDB Local behind the gateway.

adapt() has the differences from the manifest: names, cluster-only fields, and a lower limit."""

import contextlib
import os
import re
import shutil
import subprocess
import time

import pytest
import yaml

from tests.gateway.local import ROOT
from tests.gateway.mount import ProjectedVolume
from tests.gateway.world import ROLE
from tests.integration.agent import BUILD

from .podman import Podman

MANIFESTS = os.path.join(ROOT, "deploy/kubernetes")
FLAVOUR = os.path.basename(BUILD)
LIMIT = {"bearssl": "8Mi", "openssl": "32Mi"}[FLAVOUR]
WORKER = "localhost/orders-worker:1"


def build_worker(folder):
    """Builds the application, static, with libtally; returns the folder for its image."""
    library = os.path.join(BUILD, "command/libtally.a")
    libraries = f"{ROOT}/.deps/image/bearssl"
    subprocess.run([f"{ROOT}/deploy/image/make.sh", "bearssl", os.path.dirname(library), library],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run([f"{libraries}/cc", "-Os", f"-I{ROOT}", "-o", f"{folder}/worker",
                    f"{ROOT}/tests/image/pod/worker.c", library], check=True)
    shutil.copy(f"{ROOT}/tests/image/pod/Containerfile", folder)
    return str(folder)


@pytest.fixture(scope="module", name="podman")
def make_podman(tmp_path_factory):
    with contextlib.closing(Podman()) as podman:
        podman.image = podman.load(os.path.join(BUILD, "image.tar"))
        podman.build(build_worker(tmp_path_factory.mktemp("worker")), WORKER)
        yield podman


def environment(world):
    """The variables that EKS would set in the containers, and the endpoints of AWS."""
    return {"AWS_REGION": "eu-west-1", "AWS_ROLE_ARN": ROLE,
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
            "AWS_ENDPOINT_URL_STS": world.urls["sts"],
            "AWS_ENDPOINT_URL_DYNAMODB": world.urls["dynamodb"]}


def adapt(pod, podman, world, folder, scaled_object):
    spec = pod["spec"]
    spec["hostNetwork"] = True  # the gateway is on loopback
    worker, sidecar = spec["containers"]
    worker["image"], sidecar["image"] = WORKER, podman.image
    worker["args"] = ["orders/small", "orders/pending"]
    del sidecar["readinessProbe"]  # podman has none; the test runs the probe's command
    sidecar["resources"]["limits"]["memory"] = LIMIT
    sidecar["env"] = [{"name": name, "value": value} for name, value in environment(world).items()]
    # As IRSA's webhook would.
    sidecar["volumeMounts"].append({"name": "token", "readOnly": True, "mountPath":
                                    "/var/run/secrets/eks.amazonaws.com/serviceaccount"})
    # podman makes an emptyDir owned by one container's user, and does not support fsGroup.
    shared = folder / "socket"
    shared.mkdir()
    os.chmod(shared, 0o2770)
    os.chown(shared, 0, spec["securityContext"]["fsGroup"])
    worker["securityContext"]["runAsGroup"] = spec["securityContext"]["fsGroup"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    volumes["tally-socket"].pop("emptyDir")
    volumes["tally-socket"]["hostPath"] = {"path": str(shared)}
    spec["volumes"].append({"name": "token", "hostPath": {"path": str(folder / "token")}})
    config = {"apiVersion": "v1", "kind": "ConfigMap",
              "metadata": {"name": volumes["tally-config"]["configMap"]["name"]},
              "data": {"scaledobject.yaml": scaled_object}}
    return [config, pod]


@pytest.fixture(name="played")
def play(podman, world, pending, tmp_path):
    """Starts the pod; returns its name."""
    ProjectedVolume(str(tmp_path / "token")).write(token=world.token())
    for folder, _, names in os.walk(tmp_path / "token"):
        for path in [folder, *(os.path.join(folder, name) for name in names)]:
            os.chown(path, 0, 65532, follow_symlinks=False)
    with open(f"{MANIFESTS}/classic/pod.yaml", encoding="utf-8") as file:
        pod = yaml.safe_load(file)
    with open(f"{ROOT}/tests/image/pod/scaledobject.yaml", encoding="utf-8") as file:
        documents = adapt(pod, podman, world, tmp_path, file.read())
    path = tmp_path / "pod.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    # Only their owner can enter pytest's folders; the containers' users need access.
    for parent in [tmp_path, tmp_path.parent, tmp_path.parent.parent]:
        parent.chmod(0o755)
    podman.run("kube", "play", "--network", "host", str(path))
    yield pod["metadata"]["name"]
    podman.run("kube", "down", str(path))


def wait_for_log(podman, container, word, seconds=90):
    deadline = time.monotonic() + seconds
    while True:
        _, said = podman.run("logs", container)
        if word in said:
            return said
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


def test_the_pod_counts_with_its_own_identity(podman, world, pending, played):
    said = wait_for_log(podman, f"{played}-worker", "worker: done")
    counted = re.findall(r"uid=(\d+) .*trigger=(\S+) count=(\d+) quality=(\d)", said)
    exact = "1"
    assert counted == [("10001", "orders/small", "7", exact),
                       ("10001", "orders/pending", str(pending), exact)], said
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1

    # As the readinessProbe and users do, inside the container and its memory limit.
    for command in (["ready"], ["ready", "orders/small"], ["list"], ["whoami"], ["status"]):
        code, output = podman.run("exec", f"{played}-tally", "/tally", *command, check=False)
        assert code == 0, output

    sidecar = podman.inspect(f"{played}-tally")
    assert sidecar["State"]["Status"] == "running" and not sidecar["State"]["OOMKilled"]
    assert sidecar["HostConfig"]["Memory"] == int(LIMIT[:-2]) * 1024 * 1024
    assert sidecar["HostConfig"]["ReadonlyRootfs"] is True
    status = process_status(sidecar["State"]["Pid"])
    check_security_context(status)
    # The runtime's filter, as in the application, and tallyd's own in addition.
    worker = process_status(podman.inspect(f"{played}-worker")["State"]["Pid"])
    assert int(status["Seccomp_filters"]) == int(worker["Seccomp_filters"]) + 1


def process_status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file)


def check_security_context(status):
    """The effect of the manifest's securityContext."""
    assert status["Uid"].split() == ["65532"] * 4
    assert {name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        "CapPrm": 0, "CapEff": 0, "CapBnd": 0, "CapAmb": 0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_the_sidecar_ends_in_order(podman, played):
    wait_for_log(podman, f"{played}-worker", "worker: done")
    podman.run("stop", "-t", "25", f"{played}-tally")
    state = podman.inspect(f"{played}-tally")["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    assert "event=stopped" in podman.run("logs", f"{played}-tally")[1]


def test_tally_installs_itself_for_other_images(podman, tmp_path):
    """The init container of drain.yaml, and then the preStop hook's command, in an image without
    any file of tally."""
    shared = tmp_path / "command"
    shared.mkdir()
    os.chmod(shared, 0o777)
    for parent in [tmp_path, tmp_path.parent, tmp_path.parent.parent]:
        parent.chmod(0o755)
    common = ["run", "--rm", "--network=none", "--read-only", "--cap-drop=all",
              "--security-opt=no-new-privileges", "-v", f"{shared}:/opt/tally"]
    podman.run(*common, "--user", "65532", "--memory", LIMIT.lower()[:-1], "--entrypoint", "/tally",
               podman.image, "install", "/opt/tally")
    code, said = podman.run(
        *common, "--user", "10001", "--entrypoint", "/opt/tally/tally", WORKER, "wait", "orders",
        "--until", "count <= 0", "--timeout", "200ms", check=False)
    assert code == 3, said
    assert "no agent" in said.lower() or "NOAGENT" in said
