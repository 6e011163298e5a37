# SPDX-License-Identifier: Apache-2.0
"""Findings of `tallyd --check` in files that KEDA, Kubernetes or AWS would read differently from the
author's intention. An agent that starts with the file logs each finding, except notes."""

import json

import pytest

from .test_trigger_check import check
from .yaml_files import scaled_object, text, trigger

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"


def findings(tmp_path, *documents, env=None, name="x.yaml"):
    """The exit code, and the findings as (level, message) without their positions."""
    content = documents[0] if isinstance(documents[0], str) else text(*documents)
    (tmp_path / name).write_text(content)
    code, _, err = check(name, folder=tmp_path, env=env)
    found = [line.split(": ", 2)[1:] for line in err.splitlines() if line.startswith(name)]
    return code, [(level, said) for level, said in found if not said.startswith(
        ("tableName: KEDA (", "authenticationRef: no keys"))]


def job(**spec):
    document = scaled_object("it", **spec)
    document["kind"] = "ScaledJob"
    document["spec"]["jobTargetRef"] = document["spec"].pop("scaleTargetRef")
    return document


def with_auth(spec, *more, kind="TriggerAuthentication", reference=None):
    metadata = {"name": "keys"}
    if kind == "TriggerAuthentication":
        metadata["namespace"] = "shop"
    return (scaled_object("it", {**trigger(), "authenticationRef": reference or {"name": "keys"}}),
            {"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec},
            *more)


def secret(**values):
    return {"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "s", "namespace": "shop"}, "stringData": values}


def targets(**parameters):
    return {"secretTargetRef": [{"parameter": parameter, "name": "s", "key": key}
                                for parameter, key in parameters.items()]}


# ---- the object -----------------------------------------------------------------------------------

def annotated(kind="ScaledObject", **annotations):
    document = job() if kind == "ScaledJob" else scaled_object("it")
    document["metadata"]["annotations"] = {
        f"autoscaling.keda.sh/{name.replace('_', '-')}": value
        for name, value in annotations.items()}
    return document


@pytest.mark.parametrize("name, value, wanted", [
    ("paused", "true", "KEDA does not scale while"),
    ("paused_replicas", "0", "KEDA keeps this number of replicas"),
    ("paused_scale_in", "true", "KEDA does not scale in"),
    ("paused_scale_out", "true", "KEDA does not scale out"),
    ("force_activation", "true", "KEDA keeps at least one replica"),
    ("paused", "false", None), ("force_activation", "False", None),
])
def test_annotations_that_stop_keda_are_noted(tmp_path, name, value, wanted):
    code, found = findings(tmp_path, annotated(**{name: value}))
    assert code == 0 and len(found) == (wanted is not None)
    for level, said in found:
        assert level == "note" and "so desired_replicas is not what happens" in said
        assert said.startswith(f"autoscaling.keda.sh/{name.replace('_', '-')}: {wanted}")


def test_an_annotation_that_keda_would_not_see_is_a_warning(tmp_path):
    (level, said), = findings(tmp_path, annotated(paused_replica="0"))[1]
    assert level == "warning" and "did you mean autoscaling.keda.sh/paused-replicas?" in said
    found = findings(tmp_path, annotated(paused=True))[1]
    assert [level for level, _ in found] == ["note", "warning"]
    (level, said), = findings(tmp_path, annotated("ScaledJob", paused_replicas="0"))[1]
    assert level == "note" and "KEDA ignores it in a ScaledJob" in said
    assert findings(tmp_path, annotated("ScaledJob", paused="true"))[1]


BOUNDS = {"minReplicaCount": 2, "maxReplicaCount": 4}
OBJECTS = {
    # mistake: (the object, the subject, the text of the warning)
    "pollingInterval 0": (scaled_object("it", pollingInterval=0), "pollingInterval",
                          "KEDA 2.20 and later refuse less than 1"),
    "an idle count": (scaled_object("it", idleReplicaCount=1, **BOUNDS), "idleReplicaCount",
                      "only 0 works"),
    "64 characters": (scaled_object("n" * 64), "metadata.name", "more than 63 characters"),
    "64 characters of a job": ({**job(), "metadata": {"name": "n" * 64}}, "metadata.name",
                               "more than 63 characters"),
    "a placeholder as name": (scaled_object("${name}"), "metadata.name", "placeholder"),
    "a placeholder as namespace": (scaled_object("it", namespace="<NAMESPACE>"),
                                   "metadata.namespace", "placeholder"),
    "a job with Value": (job(triggers=[{**trigger(), "metricType": "Value"}]), "metricType",
                         "KEDA finds no average for a ScaledJob"),
    "a formula": (scaled_object("it", advanced={"scalingModifiers": {
        "formula": "a + 1", "target": "2"}}), "advanced.scalingModifiers.formula",
        "tally does not compute it"),
    "a fallback by formula": (scaled_object("it", fallback={
        "failureThreshold": 1, "replicas": 1, "behavior": "scalingModifiers"}),
        "fallback.behavior", "tally does not compute scalingModifiers"),
    "no behavior": (scaled_object("it", fallback={
        "failureThreshold": 1, "replicas": 1, "behavior": "currentReplica"}),
        "fallback.behavior", "did you mean currentReplicas?"),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_is_linted(tmp_path, name):
    document, subject, wanted = OBJECTS[name]
    code, found = findings(tmp_path, document)
    (said,) = [said for level, said in found if level == "warning"]
    assert code == 0 and said.startswith(f"{subject}: ") and wanted in said


@pytest.mark.parametrize("document", [
    scaled_object("n" * 63), scaled_object("it", idleReplicaCount=0, **BOUNDS),
    job(minReplicaCount=2), scaled_object("it", pollingInterval=1),
    scaled_object("it", trigger(tableName=f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/orders")),
    scaled_object("it", trigger(tableName="a.b", indexName="by-x")),
    scaled_object("it", trigger(awsRegion="us-gov-west-1")),
    scaled_object("it", trigger(awsRegion="ap-southeast-5")),
    # "<", "$" and "%" have another meaning here.
    scaled_object("it", trigger(filterExpression="#k < :v and #k<>:v and :v > #k")),
    scaled_object("it", trigger(value={"S": "100 % <b>bold</b> $5"})),
    scaled_object("it", trigger(value={"N": "$now-3600"})),
    scaled_object("it", trigger(awsEndpoint="https://vpce-1.example/a%20b%2Fc")),
])
def test_what_is_right_gets_no_warning(tmp_path, document):
    code, found = findings(tmp_path, document)
    assert (code, [said for level, said in found if level != "note"]) == (0, [])


def test_a_formula_s_triggers_need_no_target(tmp_path):
    asked = trigger()
    del asked["metadata"]["targetValue"]
    advanced = {"scalingModifiers": {"formula": "a", "target": "2"}}
    assert findings(tmp_path, scaled_object("it", asked, advanced=advanced))[0] == 0
    code, found = findings(tmp_path, scaled_object("it", asked))
    assert code == 2 and ("error", "targetValue: missing; each aws-dynamodb trigger needs it") in found


# ---- the trigger ----------------------------------------------------------------------------------

TRIGGERS = {
    # mistake: (parameters, the subject, the text of the warning)
    **{f"table {table}": ({"tableName": table}, "tableName", "cannot be the name of a table")
       for table in ("${table}", "<TABLE>", "{{ .Values.table }}", "$(TABLE)", "%TABLE%", "$TABLE",
                     "ab", "a" * 256, "or ders", "orders/1", "bücher", "arn:aws:s3:::orders",
                     f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/",
                     "arn:aws:dynamodb:eu-west-1:1:table/orders",
                     f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/orders/index/by-x")},
    "index ab": ({"indexName": "ab"}, "indexName", "cannot be the name of an index"),
    "index": ({"indexName": "${index}"}, "indexName", "placeholder"),
    "key id": ({"awsAccessKeyIDFromEnv": "HOME", "awsSecretAccessKeyFromEnv": "HOME",
                "awsAccessKeyID": "<KEY ID>"}, "awsAccessKeyID", "placeholder"),
    "condition": ({"keyConditionExpression": "#k = :v${and}"}, "keyConditionExpression",
                  "${and} looks like a placeholder"),
    "filter": ({"filterExpression": "#k < {{ v }} and #k <> :v"}, "filterExpression",
               "{{ v }} looks like a placeholder"),
    "names": ({"expressionAttributeNames": json.dumps({"#k": "$(KEY)"})},
              "expressionAttributeNames", "$(KEY) looks like a placeholder"),
    "values": ({"expressionAttributeValues": json.dumps({":v": {"S": "${value}"}})},
               "expressionAttributeValues", "${value} looks like a placeholder"),
    "a whole value": ({"expressionAttributeValues": json.dumps({":v": {"S": "<value>"}})},
                      "expressionAttributeValues", "<value> looks like a placeholder"),
    "zone": ({"awsRegion": "eu-west-1a"}, "awsRegion",
             "eu-west-1a is an availability zone, not a region; write eu-west-1"),
    "zone of the government": ({"awsRegion": "us-gov-east-1b"}, "awsRegion", "write us-gov-east-1"),
    "local zone": ({"awsRegion": "us-west-2-lax-1a"}, "awsRegion", "write us-west-2"),
    "another region": ({"tableName": f"arn:aws:dynamodb:eu-west-2:{ACCOUNT}:table/orders"},
                       "awsRegion", "is eu-west-1, and the ARN of the table is in eu-west-2"),
    "a variable's name": ({"AWS_REGION": "eu-west-1"}, "AWS_REGION", "did you mean awsRegion?"),
    "a role in the metadata": ({"awsRoleArn": ROLE}, "awsRoleArn", "authenticationRef names"),
    "a secret in the metadata": ({"AWS_SECRET_ACCESS_KEY": "s"}, "AWS_SECRET_ACCESS_KEY",
                                 "read awsSecretAccessKey from what authenticationRef names"),
    "a yaml name": ({"table_name": "orders"}, "table_name", "did you mean tableName?"),
}


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_trigger_is_linted(tmp_path, name):
    parameters, subject, wanted = TRIGGERS[name]
    code, found = findings(tmp_path, scaled_object("it", trigger(**parameters)),
                           env={"HOME": "/"})
    said = [said for level, said in found if level == "warning"]
    assert code == 0 and len(said) == 1, found
    assert said[0].startswith(f"{subject}: ") and wanted in said[0]


def test_the_hint_for_an_unquoted_value_is_what_tally_uses(tmp_path):
    """tally reads an unquoted no as a table of that name, and an octal number as Kubernetes does."""
    bare = text(scaled_object("it")).replace("tableName: orders", "tableName: %s")
    for written, hint in (("no", "no"), ("on", "on"), ("0123", "0123"), ("1e5", "1e5")):
        found = findings(tmp_path, bare % written)[1]
        assert any(f'tableName: is not quoted' in said and f'write "{hint}"' in said
                   for _, said in found), found
        assert f" {written} " in check("x.yaml", folder=tmp_path)[1]
    number = text(scaled_object("it")).replace("targetValue: '5'", "targetValue: 030")
    assert any('write "24"' in said for _, said in findings(tmp_path, number)[1])
    truth = text(scaled_object("it", trigger(warm="x"))).replace("warm: x", "warm: True")
    assert any('write "true"' in said for _, said in findings(tmp_path, truth)[1])


def test_numbers_are_read_as_kubernetes_reads_them(pod, tmp_path):
    """7 items, one replica for each: the answer shows the maximum."""
    spelt = {"octal": "03", "underlined": "0_4", "real": "5.0", "exponent": "0.6e1",
             "hexadecimal": "0x2", "a-text-of-digits": "'05'"}
    documents = text(*(scaled_object(name, trigger(targetValue="1"), maxReplicaCount=f"max-{name}")
                       for name in spelt))
    for name, number in spelt.items():
        documents = documents.replace(f"max-{name}\n", number + "\n")
    (tmp_path / "numbers.yaml").write_text(documents)
    agent = pod(scaled_object("unused"))
    agent.config = str(tmp_path / "numbers.yaml")
    agent.start()
    result = {name: agent.rpc("count", trigger=name)["desired_replicas"] for name in spelt}
    assert result == {"octal": 3, "underlined": 4, "real": 5, "exponent": 6, "hexadecimal": 2,
                    "a-text-of-digits": 5}


# ---- the authentication ---------------------------------------------------------------------------

EKS_VARIABLES = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": ROLE}


@pytest.mark.parametrize("role", ["my-role", "${role}", f"arn:aws:iam::{ACCOUNT}:user/me",
                                  f"arn:aws:iam::{ACCOUNT}:role/", "arn:aws:iam::12:role/reader",
                                  f"arn:aws:iam:eu-west-1:{ACCOUNT}:role/reader",
                                  f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/session",
                                  f"arn:aws:iam::{ACCOUNT}:instance-profile/reader"])
def test_what_is_no_role_is_a_warning(tmp_path, role):
    asked = {"podIdentity": {"provider": "aws", "roleArn": role}}
    code, found = findings(tmp_path, *with_auth(asked))
    assert code == 0 and any(
        level == "warning" and said.startswith("podIdentity.roleArn: ")
        and "is not the ARN of a role" in said for level, said in found)
    code, found = findings(tmp_path, *with_auth(targets(awsRoleArn="arn"), secret(arn=role)))
    assert code == 0 and any(
        level == "warning" and said.startswith("awsRoleArn: ") for level, said in found)


@pytest.mark.parametrize("role", [ROLE, f"arn:aws-cn:iam::{ACCOUNT}:role/path/to/reader",
                                  f"arn:aws-us-gov:iam::{ACCOUNT}:role/a+b=c,d.e@f_g-h"])
def test_a_role_is_none(tmp_path, role):
    asked = {"podIdentity": {"provider": "aws", "roleArn": role}}
    assert findings(tmp_path, *with_auth(asked)) == (0, [])


@pytest.mark.parametrize("provider", ["aws-eks", "aws-kiam", "none"])
def test_a_role_that_is_not_used_is_reported(tmp_path, provider):
    asked = {"podIdentity": {"provider": provider, "roleArn": ROLE}}
    _, found = findings(tmp_path, *with_auth(asked), env=EKS_VARIABLES)
    (said,) = [said for level, said in found
               if level == "warning" and said.startswith("podIdentity.roleArn: ")]
    assert f"is not used with provider {provider}" in said


@pytest.mark.parametrize("misnamed, meant", [
    ("AWS_ACCESS_KEY_ID", "awsAccessKeyID"), ("aws_access_key_id", "awsAccessKeyID"),
    ("accessKeyId", "awsAccessKeyID"), ("aws-access-key", "awsAccessKeyID"),
    ("AWS_SECRET_ACCESS_KEY", "awsSecretAccessKey"), ("secretKey", "awsSecretAccessKey"),
    ("AWS_SESSION_TOKEN", "awsSessionToken"), ("AWS_ROLE_ARN", "awsRoleArn"),
    ("roleArn", "awsRoleArn"), ("AWS_DEFAULT_REGION", "awsRegion"), ("awsRegoin", "awsRegion"),
])
@pytest.mark.parametrize("source", ["secret", "env"])
def test_a_misnamed_parameter_is_a_warning(tmp_path, misnamed, meant, source):
    """Otherwise the pod's own identity would replace the intended one."""
    spec = targets(**{misnamed: "a"}) if source == "secret" else {
        "env": [{"parameter": misnamed, "name": "HOME"}]}
    code, found = findings(tmp_path, *with_auth(spec, secret(a="x")), env={"HOME": "x"})
    (said,) = [said for level, said in found if level == "warning"]
    assert code == 0 and said.startswith(f"{misnamed}: ") and f"did you mean {meant}?" in said


def test_a_misnamed_parameter_reaches_the_log(start):
    agent = start(*with_auth(targets(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b"),
                             secret(a="AKIAEXAMPLE", b="secret")))
    said = [line for line in agent.log().splitlines() if "did you mean aws" in line]
    assert len(said) == 2 and all("level=warn" in line for line in said)


@pytest.mark.parametrize("kind, reference, hint", [
    ("ClusterTriggerAuthentication", {"name": "keys"}, "write kind: ClusterTriggerAuthentication"),
    ("TriggerAuthentication", {"name": "keys", "kind": "ClusterTriggerAuthentication"},
     "remove kind"),
])
def test_an_authentication_of_the_other_kind_is_named(tmp_path, kind, reference, hint):
    asked = {"podIdentity": {"provider": "aws"}}
    code, found = findings(tmp_path, *with_auth(asked, kind=kind, reference=reference))
    (said,) = [said for level, said in found if level == "error"]
    assert code == 2 and said.startswith("authenticationRef.name: ")
    assert f"but a {kind} is; {hint}" in said


@pytest.mark.parametrize("value", ["${KEY}", "<key>", "{{ key }}", "$(KEY)", "%KEY%"])
def test_a_placeholder_as_key_is_reported_without_the_value(tmp_path, value):
    code, found = findings(tmp_path, *with_auth(
        targets(awsAccessKeyID="id", awsSecretAccessKey="key"), secret(id="AKIAEXAMPLE", key=value)))
    (level, said), = found
    assert (code, level) == (0, "warning") and value not in said
    assert "Secret shop/s key key looks like a placeholder" in said
