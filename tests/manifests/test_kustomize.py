# SPDX-License-Identifier: Apache-2.0
"""The folders as parts of other kustomizations: none collides with another, and the component adds the
sidecar to workloads that know nothing about it. What the NetworkPolicy lets through."""

import copy
import ipaddress
import os
import re
import shutil

import pytest
import yaml

from .kustomize import ALL, COMPONENTS, FOLDER, HAS_COMPONENTS, build, kubectl


def with_components(test):
    """Debian's kubectl is older than 1.22 and knows no components: there is no such test with it."""
    return test if HAS_COMPONENTS else None


def kustomization(folder, **fields):
    """Writes one; paths to the shipped folders become relative, as kustomize requires."""
    fields = {name: [os.path.relpath(os.path.join(FOLDER, item[1:]), folder)
                     if isinstance(item, str) and item.startswith("@") else item for item in value]
              if isinstance(value, list) else value for name, value in fields.items()}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(fields))
    return str(folder)


def pod_spec(**more):
    return {"containers": [{"name": "one", "image": "one"}], **more}


def workload(kind, name, spec):
    return {"apiVersion": "batch/v1" if kind == "Job" else "apps/v1", "kind": kind,
            "metadata": {"name": name},
            "spec": {**({} if kind == "Job" else {"selector": {"matchLabels": {"app": name}}}),
                     "template": {"metadata": {"labels": {"app": name}}, "spec": spec}}}


MOUNT = {"name": "tally-socket", "mountPath": "/run/tally"}
RICH = pod_spec(
    securityContext={"fsGroup": 4000, "runAsUser": 4000},
    terminationGracePeriodSeconds=7,
    initContainers=[{"name": "migrate", "image": "migrate"}],
    volumes=[{"name": "data", "emptyDir": {}}],
    containers=[{"name": "one", "image": "one"},
                {"name": "two", "image": "two",
                 "volumeMounts": [{"name": "data", "mountPath": "/data"}]}])


@pytest.fixture(name="mine")
def kustomization_of_ones_own(tmp_path):
    """Builds a kustomization of these workloads with the component; returns their documents."""
    def make(*workloads, **fields):
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump_all(workloads))
        (tmp_path / "scaledobject.yaml").write_text("kind: ScaledObject\n")
        return build(kustomization(
            tmp_path, resources=["mine.yaml"], components=["@component"],
            configMapGenerator=[{"name": "tally-config", "files": ["scaledobject.yaml"]}], **fields))

    return make


def without_tally(document):
    """The document as it was before, where only tally's parts were added."""
    document = copy.deepcopy(document)
    template = document["spec"]["template"]
    assert template["metadata"]["labels"].pop("tally-sidecar") == "true"
    spec = template["spec"]
    sidecar = spec["initContainers"].pop(0)
    assert (sidecar["name"], sidecar["restartPolicy"]) == ("tally", "Always")
    assert MOUNT in sidecar["volumeMounts"]
    names = {"tally-config", "tally-socket"}
    assert names <= {volume["name"] for volume in spec["volumes"]}
    spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] not in names]
    for container in spec["containers"]:
        assert container["volumeMounts"].pop() == MOUNT
    for owner, name in [(spec, "volumes"), (spec, "initContainers"),
                        *((container, "volumeMounts") for container in spec["containers"])]:
        if not owner[name]:
            del owner[name]
    return document


@with_components
@pytest.mark.parametrize("spec", [pod_spec(), RICH], ids=["bare", "rich"])
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_the_component_adds_the_sidecar_and_changes_nothing_else(mine, kind, spec):
    workloads = [workload(kind, name, spec) for name in ("first", "second")]
    built = {item["metadata"]["name"]: item for item in mine(*workloads) if item["kind"] == kind}
    assert [without_tally(built[name]) for name in ("first", "second")] == workloads


@with_components
def test_the_component_follows_names_images_and_namespaces(mine):
    image = {"name": "registry.example/tally", "newName": "other/tally", "digest": "sha256:" + "0" * 64}
    documents = mine(workload("Deployment", "first", pod_spec()), namespace="mine", images=[image])
    assert {item["metadata"]["namespace"] for item in documents} == {"mine"}
    config, = [item["metadata"]["name"] for item in documents if item["kind"] == "ConfigMap"]
    spec, = [item["spec"]["template"]["spec"] for item in documents if item["kind"] == "Deployment"]
    assert [volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume] == [config]
    assert spec["initContainers"][0]["image"] == f"other/tally@{image['digest']}"


@with_components
def test_the_kustomization_of_the_readme_serves_a_deployment_that_names_its_namespace(tmp_path):
    with open(f"{FOLDER}/README.md", encoding="utf-8") as file:
        text, = re.findall(r"```yaml\n(# kustomization\.yaml\n.*?)```", file.read(), re.S)
    deployment = workload("Deployment", "mine", pod_spec())
    deployment["metadata"]["namespace"] = "shop"
    (tmp_path / "deployment.yaml").write_text(yaml.safe_dump(deployment))
    shutil.copy(f"{FOLDER}/config/scaledobject.yaml", tmp_path)
    documents = build(kustomization(tmp_path, **{
        **yaml.safe_load(text), "components": ["@component"]}))
    config, = [item["metadata"] for item in documents if item["kind"] == "ConfigMap"]
    spec, = [item["spec"]["template"]["spec"] for item in documents if item["kind"] == "Deployment"]
    assert config["namespace"] == "shop"
    assert [volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume] == [
        config["name"]]


@with_components
@pytest.mark.parametrize("identity", ["irsa", "pod-identity"])
def test_folders_do_not_collide(tmp_path, identity):
    other, = {"irsa", "pod-identity"} - {identity}
    names = [name for name in ALL if name not in (other, *COMPONENTS)]
    together = build(kustomization(tmp_path, resources=[f"@{name}" for name in names]))
    assert len(together) == sum(len(build(os.path.join(FOLDER, name))) for name in names) > 8
    apps = [(item["spec"].get("template") or item)["metadata"]["labels"]["app"] for item in together
            if item["kind"] in ("Deployment", "Job", "Pod")]
    assert len(apps) == len(set(apps)) == 5


@with_components
def test_both_identities_at_once_are_refused(tmp_path):
    done = kubectl("kustomize", kustomization(tmp_path, resources=["@irsa", "@pod-identity"]))
    assert done.returncode != 0 and "orders-worker" in done.stderr


@pytest.mark.parametrize("name", [name for name in ALL if name not in COMPONENTS])
def test_a_folder_without_a_component_suits_debians_kubectl(name):
    """Its kustomize is of 2019: no folder among the resources."""
    with open(os.path.join(FOLDER, name, "kustomization.yaml"), encoding="utf-8") as file:
        for resource in yaml.safe_load(file).get("resources", []):
            assert os.path.isfile(os.path.join(FOLDER, name, resource))


def allowed(address, protocol, port):
    """Whether the policy lets a connection to an address outside the cluster through."""
    policy, = build(os.path.join(FOLDER, "network-policy"))
    address = ipaddress.ip_address(address)

    def within(block):
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in ipaddress.ip_network(other) for other in block.get("except", []))

    return any({"protocol": protocol, "port": port} in rule["ports"] and
               any(within(peer["ipBlock"]) for peer in rule["to"] if "ipBlock" in peer)
               for rule in policy["spec"]["egress"])


@pytest.mark.parametrize("address,protocol,port,expected", [
    ("52.94.24.1", "TCP", 443, True),        # STS, DynamoDB
    ("2600:1f18::1", "TCP", 443, True),
    ("10.0.17.4", "TCP", 443, True),         # an endpoint in the VPC
    ("169.254.170.23", "TCP", 80, True),     # the agent of Pod Identity
    ("fd00:ec2::23", "TCP", 80, True),
    ("169.254.20.10", "UDP", 53, True),      # NodeLocal DNSCache
    ("169.254.20.10", "TCP", 53, True),
    ("169.254.169.254", "TCP", 80, False),   # the node's metadata
    ("169.254.169.254", "TCP", 443, False),
    ("fd00:ec2::254", "TCP", 80, False),
    ("fd00:ec2::254", "TCP", 443, False),
    ("52.94.24.1", "TCP", 80, False),
    ("52.94.24.1", "UDP", 443, False),
    ("198.51.100.1", "UDP", 53, False),
])
def test_the_policy_lets_tally_reach_aws_and_no_metadata(address, protocol, port, expected):
    assert allowed(address, protocol, port) is expected


def test_the_policy_selects_the_pods_here_and_lets_them_ask_dns():
    policy, = build(os.path.join(FOLDER, "network-policy"))
    assert policy["spec"]["policyTypes"] == ["Egress"]
    dns = [rule for rule in policy["spec"]["egress"] if {"protocol": "UDP", "port": 53} in rule["ports"]]
    assert [peer["podSelector"]["matchLabels"] for rule in dns for peer in rule["to"]
            if "podSelector" in peer] == [{"k8s-app": "kube-dns"}]
    label, = policy["spec"]["podSelector"]["matchLabels"].items()
    for name in ("native", "classic", "job", "drain"):
        item = build(os.path.join(FOLDER, name))[0]
        assert label in (item["spec"].get("template") or item)["metadata"]["labels"].items(), name
