# SPDX-License-Identifier: Apache-2.0
"""Properties of every manifest, as kustomize builds it, beyond its schema: no container runs as root,
each resource value is set, and names, commands and policies match."""

import json
import os
import subprocess

import pytest
import yaml

from tests.gateway.local import ROOT
from tests.integration.agent import TALLY, TALLYD

from .kustomize import COMPONENTS, FOLDER, FOLDERS, build


def documents():
    for name in FOLDERS:
        for document in build(os.path.join(FOLDER, name)):
            yield name, document


def pods():
    """(file, PodSpec)"""
    for name, document in documents():
        if document["kind"] == "Pod":
            yield name, document["spec"]
        elif "template" in document.get("spec", {}):
            yield name, document["spec"]["template"]["spec"]


def containers():
    for name, pod in pods():
        for container in pod.get("initContainers", []) + pod["containers"]:
            yield pytest.param(pod, container, id=f"{name}:{container['name']}")


def commands():
    """Each command line of tally's in a manifest."""
    for name, pod in pods():
        for container in pod.get("initContainers", []) + pod["containers"]:
            probes = [container.get(probe, {}).get("exec", {}).get("command")
                      for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
            hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
            for command in [container.get("command"), hook, *probes]:
                if command and os.path.basename(command[0]) != "tally-bridge":
                    yield pytest.param(command, id=f"{name}:{container['name']}:{command[1]}")


@pytest.fixture(name="config")
def read_config():
    config_map, = build(os.path.join(FOLDER, "config"))
    text, = config_map["data"].values()
    return config_map, text, list(yaml.safe_load_all(text))


def policy(name):
    with open(f"{FOLDER}/iam/{name}.json", encoding="utf-8") as file:
        statement, = json.load(file)["Statement"]
    return statement


@pytest.mark.parametrize("pod,container", containers())
def test_a_container_can_do_little(pod, container):
    security = container["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security["runAsUser"] > 0 and security["runAsGroup"] > 0
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("pod,container", containers())
def test_a_container_asks_for_little(pod, container):
    resources = container["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert "memory" in resources["limits"]
    if "tally:" in container["image"]:
        assert resources["limits"]["memory"] == "16Mi"


@pytest.mark.parametrize("name,pod", pods())
def test_the_socket_is_shared(name, pod):
    """By a group, or within the folder of the pod."""
    sidecar, = [item for item in pod.get("initContainers", []) + pod["containers"]
                if item["name"] == "tally"]
    mounted = {"name": "tally-socket", "mountPath": "/run/tally"}
    assert sidecar["securityContext"]["runAsUser"] == 65532  # the image's
    if name in COMPONENTS:
        assert {"name": "TALLY_SOCKET_MODE", "value": "0666"} in sidecar["env"]
        assert "fsGroup" not in pod["securityContext"]
    else:
        assert pod["securityContext"]["fsGroup"] == 65532
    for container in [sidecar, *pod["containers"]]:
        assert mounted in container["volumeMounts"], container["name"]
    for volume in pod["volumes"]:
        if volume["name"] == "tally-socket":
            assert "emptyDir" in volume


@pytest.mark.parametrize("command", commands())
def test_a_command_is_one_that_tally_knows(command, tmp_path):
    """Without an agent: 3 or 4, not 2, which is invalid usage."""
    arguments = [str(tmp_path) if word == "/opt/tally" else word for word in command[1:]]
    if "--timeout" in arguments:
        arguments[arguments.index("--timeout") + 1] = "100ms"
    done = subprocess.run([TALLY, *arguments], capture_output=True, text=True, timeout=30,
                          env={"TALLY_SOCKET": str(tmp_path / "no.sock")}, check=False)
    assert done.returncode in ((0,) if arguments[0] == "install" else (3, 4)), done.stderr
    assert os.path.basename(command[0]) == "tally"


def test_tallyd_has_nothing_to_say_about_the_configuration(config, tmp_path):
    path = tmp_path / "scaledobject.yaml"
    path.write_text(config[1])
    done = subprocess.run([TALLYD, "--check", "--config", str(path)], capture_output=True,
                          text=True, timeout=30, env={}, check=False)
    assert done.returncode == 0, done.stderr
    for word in ("error", "warning"):
        assert f" {word}: " not in done.stderr + done.stdout


def test_names_fit_each_other(config):
    everything = list(documents())
    assert {document["metadata"]["namespace"] for _, document in everything} == {"shop"}
    accounts = {document["metadata"]["name"] for _, document in everything
                if document["kind"] == "ServiceAccount"}
    for _, pod in pods():
        assert pod["serviceAccountName"] in accounts
        names = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
        assert names == [config[0]["metadata"]["name"]]


def test_the_texts_of_config_maps_name_the_same_namespace():
    seen = 0
    for _, document in documents():
        if document["kind"] == "ConfigMap":
            for text in document["data"].values():
                for inner in yaml.safe_load_all(text):
                    seen += 1
                    assert inner["metadata"]["namespace"] == document["metadata"]["namespace"]
    assert seen > 1


def test_a_budget_lets_one_pod_of_its_deployment_go():
    budgets = [(name, item) for name, item in documents()
               if item["kind"] == "PodDisruptionBudget"]
    assert [name for name, _ in budgets] == ["drain", "native"]
    for name, budget in budgets:
        workload, = [item for item in build(os.path.join(FOLDER, name))
                     if item["kind"] == "Deployment"]
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["selector"] == workload["spec"]["selector"]


def seconds(duration):
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


def option(command, name):
    return seconds(command[command.index(name) + 1])


def test_a_pod_that_waits_for_work_is_not_reported_as_failed():
    """And the hook ends, and sees a count of the time of the hook, before the pod is killed."""
    drain, _ = build(os.path.join(FOLDER, "drain"))
    pod = drain["spec"]["template"]["spec"]
    wait = pod["initContainers"][-1]["command"]
    hook = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert drain["spec"]["progressDeadlineSeconds"] > option(wait, "--timeout")
    assert pod["terminationGracePeriodSeconds"] > option(hook, "--timeout") + option(hook, "--max-age")
    assert option(hook, "--max-age") < 30 and option(wait, "--max-age") < 30


def test_the_role_may_count_what_is_configured_and_nothing_else(config):
    statement = policy("permissions")
    metadata = config[2][0]["spec"]["triggers"][0]["metadata"]
    table = "arn:aws:dynamodb:{awsRegion}:111122223333:table/{tableName}".format(**metadata)
    assert statement["Action"] == "dynamodb:Query"
    assert statement["Resource"] == [table, f"{table}/index/{metadata['indexName']}"]
    assert statement["Condition"] == {"StringEquals": {"dynamodb:Select": "COUNT"}}


def test_the_role_trusts_one_service_account_alone():
    irsa = policy("trust-irsa")
    issuer = irsa["Principal"]["Federated"].partition("oidc-provider/")[2]
    assert irsa["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert irsa["Condition"] == {"StringEquals": {
        f"{issuer}:aud": "sts.amazonaws.com",
        f"{issuer}:sub": "system:serviceaccount:shop:orders-worker"}}
    association = policy("trust-pod-identity")
    assert association["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert association["Condition"] == {"StringEquals": {
        "aws:RequestTag/kubernetes-namespace": "shop",
        "aws:RequestTag/kubernetes-service-account": "orders-worker"}}


def test_a_sidecar_starts_before_what_asks_it():
    """Each init container that uses the agent comes after the native sidecar."""
    seen = 0
    for _, pod in pods():
        names = [container["name"] for container in pod.get("initContainers", [])]
        asking = [container["name"] for container in pod.get("initContainers", [])
                  if container.get("command", ["", ""])[1] == "wait"]
        for name in asking:
            seen += 1
            assert names.index(name) > names.index("tally")
    assert seen == 1
