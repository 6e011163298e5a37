# SPDX-License-Identifier: Apache-2.0
"""The manifests of tally-bridge: names, ports and options fit each other, and the alerts fire."""

import glob
import os
import subprocess
import urllib.parse

import pytest
import yaml

from tests.gateway.local import ROOT
from tests.integration.agent import BUILD, TALLYD

from . import test_manifests as manifests
from .kustomize import build

FOLDER = os.path.join(ROOT, "deploy/kubernetes/bridge")
CONFIG = os.path.join(ROOT, "deploy/kubernetes/config")
BRIDGE = os.path.join(BUILD, "tally-bridge")


def read(path):
    with open(path, encoding="utf-8") as file:
        return list(yaml.safe_load_all(file))


def documents(name):
    return read(os.path.join(FOLDER, f"{name}.yaml"))


def the(name):
    return documents(name)[0]


def scaled_objects():
    """(file, the documents of a file for KEDA)"""
    return [pytest.param(read(path), id=os.path.basename(path))
            for path in sorted(glob.glob(f"{FOLDER}/keda-*.yaml"))]


@pytest.fixture(name="pod")
def read_pod():
    return the("deployment")["spec"]["template"]["spec"]


@pytest.fixture(name="bridge")
def read_bridge(pod):
    return pod["containers"][1]


def test_containers_can_do_and_ask_for_little(pod):
    assert [container["name"] for container in pod["containers"]] == ["tally", "tally-bridge"]
    for container in pod["containers"]:
        manifests.test_a_container_can_do_little(pod, container)
        manifests.test_a_container_asks_for_little(pod, container)
    manifests.test_the_socket_is_shared("bridge", pod)


def test_the_options_are_those_of_tally_bridge(bridge, tmp_path):
    """1: they are right, and there is no agent; 2 would be invalid usage."""
    environment = {item["name"]: "shop" for item in bridge["env"]}
    done = subprocess.run([BRIDGE, *bridge["args"], "--check", "--socket", str(tmp_path / "no.sock")],
                          capture_output=True, text=True, timeout=30, env=environment, check=False)
    assert done.returncode == 1 and "NOAGENT" in done.stderr
    assert list(environment) == ["TALLY_BRIDGE_NAMESPACE"] and bridge["command"] == ["/tally-bridge"]
    known = subprocess.run([BRIDGE, "--help"], capture_output=True, text=True, timeout=30, check=True)
    assert "--namespace" in known.stdout


def test_the_port_is_the_same_everywhere(bridge):
    port, = bridge["ports"]
    assert bridge["args"] == ["--listen", f"0.0.0.0:{port['containerPort']}"]
    service, = the("service")["spec"]["ports"]
    assert service["targetPort"] == port["name"] and service["port"] == port["containerPort"]
    rule, = the("network-policy")["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": port["containerPort"]}]
    endpoint, = the("podmonitor")["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")
    for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        assert bridge[probe]["httpGet"] == {"path": path, "port": port["name"]}


def test_all_select_the_pods_of_the_deployment():
    template = the("deployment")["spec"]["template"]["metadata"]["labels"]
    for labels in (the("deployment")["spec"]["selector"]["matchLabels"],
                   the("service")["spec"]["selector"],
                   the("network-policy")["spec"]["podSelector"]["matchLabels"],
                   the("podmonitor")["spec"]["selector"]["matchLabels"]):
        assert labels and labels.items() <= template.items()
    everything = [document for path in glob.glob(f"{FOLDER}/*.yaml")
                  for document in read(path) if document["kind"] != "Kustomization"]
    assert {document["metadata"]["namespace"] for document in everything} == {"shop"}


def test_the_identity_and_the_configuration_are_those_of_the_workload(pod):
    config, = build(CONFIG)
    assert [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume] == \
        [config["metadata"]["name"]]
    accounts = {read(path)[0]["metadata"]["name"] for path in glob.glob(
        f"{ROOT}/deploy/kubernetes/**/serviceaccount*.yaml", recursive=True)}
    assert {pod["serviceAccountName"]} == accounts


def test_only_keda_and_prometheus_may_connect():
    policy = the("network-policy")["spec"]
    rule, = policy["ingress"]
    assert policy["policyTypes"] == ["Ingress"]
    assert [peer["namespaceSelector"]["matchLabels"] for peer in rule["from"]] == [
        {"kubernetes.io/metadata.name": "keda"}, {"kubernetes.io/metadata.name": "monitoring"}]
    assert "podSelector" not in rule["from"][0] and rule["from"][1]["podSelector"]["matchLabels"]


@pytest.mark.parametrize("parts", scaled_objects())
def test_keda_finds_the_trigger(parts, tmp_path):
    """At the address of the Service, by a name that tallyd's configuration has."""
    scaled, *rest = parts
    trigger, = scaled["spec"]["triggers"]
    metadata = trigger["metadata"]
    meta = the("service")["metadata"]
    address = f"{meta['name']}.{meta['namespace']}.svc:{the('service')['spec']['ports'][0]['port']}"
    config, = build(CONFIG)
    counted, *_ = yaml.safe_load_all(config["data"]["scaledobject.yaml"])
    if trigger["type"] == "metrics-api":
        url = urllib.parse.urlsplit(metadata["url"])
        assert (url.scheme, url.netloc, metadata["valueLocation"]) == ("http", address, "count")
        assert url.path.startswith("/v1/count/")
        name = url.path[len("/v1/count/"):]
        assert metadata["targetValue"] == counted["spec"]["triggers"][0]["metadata"]["targetValue"]
    else:
        assert trigger["type"] in ("external", "external-push") and metadata["scalerAddress"] == address
        name = metadata["trigger"]
    path = tmp_path / "scaledobject.yaml"
    path.write_text(config["data"]["scaledobject.yaml"])
    done = subprocess.run([TALLYD, "--check", "--config", str(path)], capture_output=True, text=True,
                          timeout=30, env={}, check=True)
    assert name in done.stdout.split()
    for field in ("scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval"):
        assert scaled["spec"][field] == counted["spec"][field]
    assert (scaled["kind"], scaled["metadata"]) == (counted["kind"], counted["metadata"])
    assert [document["metadata"]["name"] for document in rest] == \
        [trigger[key]["name"] for key in ("authenticationRef",) if key in trigger]
    assert ("enableTLS" in metadata) == bool(rest)


# ---- alerts ----

@pytest.fixture(name="rules")
def write_rules(tmp_path):
    """A file as Prometheus reads it."""
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(the("prometheusrule")["spec"]))
    return path


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_promtool_accepts_the_rules(rules):
    code, output = promtool("check", "rules", str(rules))
    assert code == 0 and "SUCCESS: 3 rules found" in output
    rules.write_text(rules.read_text().replace("== 1", "= 1"))
    assert promtool("check", "rules", str(rules))[0] != 0


SMALL = '{trigger="shop/small",table="orders",pod="p"}'
CASES = [
    ("TallyCountFailing", f"tally_trigger_failed{SMALL}", "0x20", False),
    ("TallyCountFailing", f"tally_trigger_failed{SMALL}", "1x20", True),
    ("TallyCountFailing", f"tally_trigger_failed{SMALL}", "1x3 0x20", False),
    ("TallyCountFailing", 'tally_bridge_agent_up{pod="p"}', "0x20", True),
    ("TallyCountFailing", 'tally_bridge_agent_up{pod="p"}', "1x20", False),
    ("TallyCountStale", f"tally_trigger_age_seconds{SMALL}", "0+60x20", True),
    ("TallyCountStale", f"tally_trigger_age_seconds{SMALL}", "59x20", False),
    ("TallyCredentialsNearExpiry", 'tally_credentials_expiry_seconds{role="r",pod="p"}', "840-60x20", True),
    ("TallyCredentialsNearExpiry", 'tally_credentials_expiry_seconds{role="r",pod="p"}', "301x20", False)]


@pytest.mark.parametrize("alert, series, values, fires", CASES)
def test_an_alert_fires_when_it_should(rules, tmp_path, alert, series, values, fires):
    """Samples each minute; after 14 minutes. promtool wants the whole text of what fires."""
    test = tmp_path / "test.yaml"

    def run(expected):
        test.write_text(yaml.safe_dump({
            "rule_files": [str(rules)], "evaluation_interval": "1m",
            "tests": [{"interval": "1m", "input_series": [{"series": series, "values": values}],
                       "alert_rule_test": [{"eval_time": "14m", "alertname": alert,
                                            "exp_alerts": expected}]}]}))
        return promtool("test", "rules", str(test))

    code, output = run([])
    assert (code != 0) is fires, output
    if fires:
        assert f'alertname="{alert}"' in output and "severity=" in output


def test_the_alerts_name_metrics_that_exist():
    """Those that a page had in the tests of tally-bridge, by the sources that write them."""
    sources = ""
    for path in (f"{ROOT}/client/cli/prometheus.c", f"{ROOT}/client/bridge/metrics.c",
                 f"{ROOT}/client/bridge/page.c"):
        with open(path, encoding="utf-8") as file:
            sources += file.read()
    for _, series, _, _ in CASES:
        assert f'"{series.partition("{")[0]}' in sources or \
            f'{series.partition("{")[0]}{{' in sources, series
    rules = the("prometheusrule")["spec"]["groups"][0]["rules"]
    assert {rule["alert"] for rule in rules} == {alert for alert, *_ in CASES}
    for rule in rules:
        assert any(series.partition("{")[0] in rule["expr"] for alert, series, *_ in CASES
                   if alert == rule["alert"])
