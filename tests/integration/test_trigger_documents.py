# SPDX-License-Identifier: Apache-2.0
"""The documents of a configuration: identities and names."""

import base64
import json
import os
import signal

import pytest
import yaml

from tests.gateway.mount import ProjectedVolume
from tests.gateway.world import ACCOUNT, ROLE

from .agent import Agent
from .rpc import RpcError
from .yaml_files import scaled_object, text, trigger

OTHER = f"arn:aws:iam::{ACCOUNT}:role/other"


# ---- identities -----------------------------------------------------------------------------------

def authentication(name, kind="TriggerAuthentication", **spec):
    metadata = {"name": name}
    if kind == "TriggerAuthentication":
        metadata["namespace"] = "shop"
    return {"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def plain(kind, name, namespace="shop", **content):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace},
            **content}


def encoded(value):
    return base64.b64encode(value.encode()).decode()


def targets(name, field="secretTargetRef", id_parameter="awsAccessKeyID"):
    return {field: [{"parameter": id_parameter, "name": name, "key": "id"},
                    {"parameter": "awsSecretAccessKey", "name": name, "key": "secret"}]}


class Sources:
    """Every source of credentials, each with its own user."""

    def __init__(self, world, folder):
        self._world = world
        self.folder = folder
        self.env = {}
        self.documents = []
        self.wanted = {}  # the access key by object
        for make in (self._data, self._wrapped, self._string_data, self._plain_wins, self._mounted,
                     self._environment, self._file_object, self._file_list, self._config_map,
                     self._mounted_config_map, self._cluster, self._other_spelling, self._token,
                     self._metadata, self._metadata_from_environment):
            make(make.__name__[1:].replace("_", "-"))

    def _user(self, name):
        key = self._world.user(name=name)
        self.wanted[name] = key["access_key"]
        return {"id": key["access_key"], "secret": key["secret_key"]}

    def _object(self, name, *documents, kind=None, **metadata):
        asked = trigger(**metadata)
        if documents:
            asked["authenticationRef"] = {"name": name, **({"kind": kind} if kind else {})}
        self.documents += [scaled_object(name, asked), *documents]

    def _data(self, name):
        keys = {key: encoded(value) for key, value in self._user(name).items()}
        self._object(name, authentication(name, **targets(name)), plain("Secret", name, data=keys))

    def _wrapped(self, name):
        """base64 in several lines, and a line break at the end of the decoded value."""
        keys = {key: "\n".join(encoded(value + "\n")[at:at + 10] for at in range(0, 80, 10)).strip()
                for key, value in self._user(name).items()}
        self._object(name, authentication(name, **targets(name)), plain("Secret", name, data=keys))

    def _string_data(self, name):
        self._object(name, authentication(name, **targets(name)),
                     plain("Secret", name, stringData=self._user(name)))

    def _plain_wins(self, name):
        keys = {"id": encoded("AKIANOBODY"), "secret": encoded("nothing")}
        self._object(name, authentication(name, **targets(name)),
                     plain("Secret", name, data=keys, stringData=self._user(name)))

    def _mounted(self, name):
        ProjectedVolume(os.path.join(self.folder, name)).write(**self._user(name))
        self._object(name, authentication(name, **targets(name)))

    def _environment(self, name):
        user = self._user(name)
        self.env.update(OTHER_ID=user["id"], OTHER_SECRET=user["secret"])
        self._object(name, authentication(name, env=[
            {"parameter": "awsAccessKeyID", "name": "OTHER_ID", "containerName": "app"},
            {"parameter": "awsSecretAccessKey", "name": "OTHER_SECRET"},
            {"parameter": "awsRegion", "name": "OTHER_REGION"}]), awsRegion="")
        self.env["OTHER_REGION"] = "eu-west-1"

    def _write(self, name, text_):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text_)

    def _file_object(self, name):
        user = self._user(name)
        self._write("keys.json", json.dumps({"awsAccessKeyID": user["id"],
                                             "awsSecretAccessKey": user["secret"]}))
        self._object(name, authentication(name, "ClusterTriggerAuthentication",
                                          filePath="keys.json"),
                     kind="ClusterTriggerAuthentication")

    def _file_list(self, name):
        user = self._user(name)
        self._write("own-id", user["id"])
        self._write("own-secret", user["secret"] + "\n")
        self._object(name, authentication(name, "ClusterTriggerAuthentication", filePath=[
            {"parameter": "awsAccessKeyID", "path": "own-id"},
            {"parameter": "awsSecretAccessKey", "path": "own-secret"}]),
                     kind="ClusterTriggerAuthentication")

    def _config_map(self, name):
        self._object(name, authentication(name, **targets(name, "configMapTargetRef")),
                     plain("ConfigMap", name, data=self._user(name)))

    def _mounted_config_map(self, name):
        ProjectedVolume(os.path.join(self.folder, name)).write(**self._user(name))
        self._object(name, authentication(name, **targets(name, "configMapTargetRef")))

    def _cluster(self, name):
        """Its Secret is in KEDA's own namespace."""
        self._object(name, authentication(name, "ClusterTriggerAuthentication", **targets(name)),
                     plain("Secret", name, "keda", stringData=self._user(name)),
                     plain("Secret", name, "shop", stringData={"id": "x", "secret": "x"}),
                     kind="ClusterTriggerAuthentication")

    def _other_spelling(self, name):
        self._object(name, authentication(name, **targets(name, id_parameter="awsAccessKeyId")),
                     plain("Secret", name, stringData=self._user(name)))

    def _token(self, name):
        key = self._world.session(name=name)
        self.wanted[name] = key["access_key"]
        spec = targets(name)
        spec["secretTargetRef"].append(
            {"parameter": "awsSessionToken", "name": name, "key": "token"})
        self._object(name, authentication(name, podIdentity={"provider": "none"}, **spec),
                     plain("Secret", name, stringData={
                         "id": key["access_key"], "secret": key["secret_key"],
                         "token": key["token"]}))

    def _metadata(self, name):
        user = self._user(name)
        self.env["META_SECRET"] = user["secret"]
        self._object(name, awsAccessKeyID=user["id"], awsSecretAccessKeyFromEnv="META_SECRET")

    def _metadata_from_environment(self, name):
        user = self._user(name)
        self.env.update(META_ID=user["id"], META_SECRET_2=user["secret"])
        self._object(name, awsAccessKeyIDFromEnv="META_ID",
                     awsSecretAccessKeyFromEnv="META_SECRET_2", identityOwner="pod")


def test_every_source_of_keys_is_read(start, world, tmp_path):
    sources = Sources(world, str(tmp_path))
    agent = start(*sources.documents, env=sources.env, options=["--secrets-dir", str(tmp_path)])
    assert len(sources.wanted) == 15
    for name, access_key in sources.wanted.items():
        world.forget()
        assert agent.rpc("count", trigger=name)["count"] == 7, name
        query, = world.requests()  # no call to STS
        assert query["access_key"] == access_key, name


def test_whose_identity_asks_follows_the_owner(start, world):
    """operator, or no authentication: the pod's own identity, whatever keys are configured."""
    user = world.user()
    secret = plain("Secret", "keys", stringData={"id": user["access_key"],
                                                 "secret": user["secret_key"]})
    with_keys = {**trigger(identityOwner="operator"), "authenticationRef": {"name": "keys"}}
    agent = start(
        scaled_object("operator", with_keys), authentication("keys", **targets("keys")), secret,
        scaled_object("operator-alone", trigger(identityOwner="operator", awsAccessKeyID="AKIA",
                                                awsSecretAccessKeyFromEnv="GONE")),
        scaled_object("pod", trigger(identityOwner="pod")), scaled_object("silent", trigger()))
    for name in ("operator", "operator-alone", "pod", "silent"):
        assert agent.rpc("count", trigger=name)["count"] == 7
    sts, = world.requests(service="sts")
    assert {entry["access_key"] for entry in world.requests(action="Query")} == {sts["access_key"]}


def test_a_secret_is_found_where_keda_would_not_look_and_ambiguity_is_an_error(pod, world):
    user = world.user()
    keys = {"id": user["access_key"], "secret": user["secret_key"]}
    documents = [scaled_object("it", {**trigger(), "authenticationRef": {"name": "auth"}}),
                 authentication("auth", **targets("keys")),
                 plain("Secret", "keys", "elsewhere", stringData=keys)]
    agent = pod(*documents).start()
    assert agent.rpc("count", trigger="it")["count"] == 7
    assert "KEDA looks in shop only" in agent.log()
    other = pod(*documents, plain("Secret", "keys", "third", stringData=keys))
    code, err = other.run("--check", "--config", other.config)
    assert code == 2 and "several documents of kind Secret have this name" in err
    near = pod(*documents, plain("Secret", "keys", "third", stringData={"id": "x", "secret": "x"}),
               plain("Secret", "keys", "shop", stringData=keys)).start()
    assert near.rpc("count", trigger="it")["count"] == 7


@pytest.mark.parametrize("field", ["hashiCorpVault", "azureKeyVault", "gcpSecretManager",
                                   "awsSecretManager", "boundServiceAccountToken", "oauth2"])
def test_a_source_that_is_not_spoken_is_named(pod, field):
    agent = pod(scaled_object("it", {**trigger(), "authenticationRef": {"name": "auth"}}),
                authentication("auth", **{field: {"secrets": []}}, **targets("keys")))
    code, err = agent.run("--check", "--config", agent.config)
    assert code == 2 and f"error: {field}: " in err


def test_a_region_that_is_not_mounted_yet_is_reported_and_taken_at_a_reload(start, world, tmp_path):
    asked = {**trigger(awsRegion=""), "authenticationRef": {"name": "auth"}}
    agent = start(scaled_object("it", asked), authentication("auth", secretTargetRef=[
        {"parameter": "awsRegion", "name": "place", "key": "region"}]),
                  options=["--secrets-dir", str(tmp_path)])
    code, out, err = agent.cli("count", "it")
    assert (code, out) == (1, "")
    assert "awsRegion" in err and "Secret place key region" in agent.log()
    ProjectedVolume(str(tmp_path / "place")).write(region="eu-west-1\n")
    agent.child.send_signal(signal.SIGHUP)
    agent.wait_for_log("event=reloaded")
    assert agent.rpc("count", trigger="it", max_age_ms=0)["count"] == 7


# ---- forms of documents ---------------------------------------------------------------------------

def folder_agent(pod, tmp_path, **files):
    folder = tmp_path / "conf"
    folder.mkdir()
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    agent = pod(scaled_object("unused"))
    agent.config = str(folder)
    return agent


JOB = """\
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {name: job, namespace: batch}
spec:
  jobTargetRef: {template: {}}
  maxReplicaCount: 3
  triggers:
  - type: aws-dynamodb
    metadata: &jobs
      awsRegion: eu-west-1
      tableName: jobs
      targetValue: "10"
      keyConditionExpression: >-
        #o
        =
        :o
      expressionAttributeNames: |
        {
          "#o": "owner"
        }
      expressionAttributeValues: '{":o": {"S": "owner-0"}}'
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: merged, namespace: batch}
spec:
  scaleTargetRef: {name: merged}
  triggers:
  - type: aws-dynamodb
    name: whole
    metadata:
      <<: &again
        tableName: orders
        awsRegion: eu-west-1
        targetValue: '5'
        keyConditionExpression: "#k \\
          = :v"
        expressionAttributeNames: "{\\"#k\\": \\"queue\\"}"
        expressionAttributeValues: '{":v": {"S": "small"}}'
  - type: aws-dynamodb
    metadata: {<<: *again, filterExpression: "contains(payload, :v) or priority < :v or not contains(payload, :v)"}
"""


def test_documents_of_every_form_are_read_from_a_folder(pod, tmp_path):
    snippet = {"triggers": [trigger(), trigger(value={"S": "no such queue"})]}
    agent = folder_agent(
        pod, tmp_path,
        a__yaml=JOB, snippet__yml=text(snippet),
        # Compact JSON: no blanks, escapes, also of characters beyond U+FFFF.
        machine__json=json.dumps(
            scaled_object("json", trigger(value={"S": "\U0001f600"}), namespace="shop"),
            separators=(",", ":")).replace("eu-west-1", "eu\\u002dwest-1"),
        tabs__json=json.dumps(scaled_object("tabs", trigger()), indent="\t") + "\n---\n" +
        json.dumps({"kind": "List", "apiVersion": "v1", "items": [
            scaled_object("listed", trigger()), {"apiVersion": "v1", "kind": "Service"}]}),
        notes__txt="no: [yaml", other__yaml="apiVersion: apps/v1\nkind: Deployment\n")
    (tmp_path / "conf" / ".hidden.yaml").write_text("not: [yaml")
    agent.start()
    wanted = {"batch/job": 100, "batch/merged/1": 7, "batch/merged/whole": 7,
              "default/snippet/0": 7, "default/snippet/1": 0,
              "shop/json": 0, "shop/listed": 7, "shop/tabs": 7}
    assert sorted(entry["name"] for entry in agent.rpc("list")["triggers"]) == sorted(wanted)
    result = {name: agent.rpc("count", trigger=name) for name in wanted}
    assert {name: answer["count"] for name, answer in result.items()} == wanted
    assert result["batch/job"]["desired_replicas"] == 3
    skipped = [line for line in agent.log().splitlines() if "are skipped" in line]
    assert len(skipped) == 2 and all("level=info" in line for line in skipped)
    assert "Deployment" in "".join(skipped) and "Service" in "".join(skipped)


def test_several_files_and_folders_make_one_configuration(pod, tmp_path):
    (tmp_path / "more.yaml").write_text(text(scaled_object("more")))
    agent = folder_agent(pod, tmp_path, a__yaml=text(scaled_object("one")))
    agent.options += ["--config", str(tmp_path / "more.yaml")]
    agent.start()
    assert [entry["name"] for entry in agent.rpc("list")["triggers"]] == ["shop/more", "shop/one"]
    # An authentication and a Secret may be in another file than the documents that refer to them.
    environment = pod(scaled_object("unused"))
    (tmp_path / "auth.yaml").write_text(text(authentication(
        "auth", podIdentity={"provider": "aws"})))
    (tmp_path / "uses.yaml").write_text(text(scaled_object(
        "uses", {**trigger(), "authenticationRef": {"name": "auth"}})))
    environment.env["TALLY_CONFIG"] = f"{tmp_path}/uses.yaml:{tmp_path}/auth.yaml"
    assert environment.run("--check")[0] == 0


# ---- names ----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def named(gateway, tables):
    world = gateway.world()
    none = trigger(value={"S": "no such queue"})
    agent = Agent(
        world,
        scaled_object("alone", trigger(), namespace="a"),
        scaled_object("twice", trigger(), namespace="a"),
        scaled_object("twice", none, namespace="b"),
        scaled_object("pair", {**trigger(), "name": "small"}, {**none, "name": "empty"},
                      namespace="a"),
        scaled_object("mixed", {"type": "cron", "metadata": {}}, trigger(), none, namespace="a"),
        # A name that is also part of another one.
        scaled_object("a", trigger(), namespace="alone"))
    try:
        yield agent.start()
    finally:
        try:
            agent.finish()
        finally:
            world.close()


@pytest.mark.parametrize("name, full", [
    ("a/alone", "a/alone"), ("alone", "a/alone"), ("alone/a", "alone/a"), ("a", "alone/a"),
    ("a/twice", "a/twice"), ("b/twice", "b/twice"), ("alone/0", "a/alone"),
    ("a/pair/small", "a/pair/small"), ("pair/empty", "a/pair/empty"),
    ("mixed/1", "a/mixed/1"), ("a/mixed/2", "a/mixed/2"),
])
def test_any_form_that_fits_one_trigger_names_it(named, name, full):
    code, out, err = named.cli("-o", "json", "count", name)
    assert (code, json.loads(out)["trigger"], err) == (0, full, "")


@pytest.mark.parametrize("name, candidates", [
    ("twice", ["a/twice", "b/twice"]), ("pair", ["a/pair/empty", "a/pair/small"]),
    ("a/mixed", ["a/mixed/1", "a/mixed/2"]),
])
def test_a_form_that_fits_several_lists_them(named, name, candidates):
    code, out, err = named.cli("count", name)
    assert (code, out) == (1, "")
    assert "AMBIGUOUS_TRIGGER" in err and ", ".join(candidates) in err


@pytest.mark.parametrize("name", ["", "nobody", "a/", "/alone", "pair/0", "mixed/0", "mixed/3",
                                  "twice/small", "a/alone/x", "A/alone", "alon"])
def test_what_fits_none_is_reported(named, name):
    with pytest.raises(RpcError) as caught:
        named.rpc("count", trigger=name)
    assert caught.value.name == "UNKNOWN_TRIGGER"


def test_a_name_that_is_there_twice_is_an_error(pod):
    agent = pod(scaled_object("it"), scaled_object("it"))
    code, err = agent.run("--check", "--config", agent.config)
    second = [number for number, line in enumerate(yaml_lines(agent), 1)
              if line.startswith("  - type")][1]
    assert code == 2
    assert f"{agent.config}:{second}:5: error: name: the trigger shop/it is defined twice" in err


def yaml_lines(agent):
    with open(agent.config, encoding="utf-8") as file:
        return file.read().splitlines()


# ---- optional auth parameters ---------------------------------------------------------------------

# Sources without a value: (field, entries, other documents, environment).
def from_environment(parameter, value):
    return {"env": [{"parameter": parameter, "name": "OPTIONAL"}]}, [], value


def from_secret(parameter, value):
    documents = [] if value is None else [plain("Secret", "optional", stringData={"v": value})]
    return {"secretTargetRef": [{"parameter": parameter, "name": "optional", "key": "v"}]}, documents, None


def from_encoded_secret(parameter, value):
    return ({"secretTargetRef": [{"parameter": parameter, "name": "optional", "key": "v"}]},
            [plain("Secret", "optional", data={"v": encoded(value or "\n")})], None)


def from_config_map(parameter, value):
    documents = [plain("ConfigMap", "optional", data={} if value is None else {"v": value})]
    return {"configMapTargetRef": [{"parameter": parameter, "name": "optional", "key": "v"}]}, documents, None


def from_file(parameter, value):
    return {"filePath": [{"parameter": parameter, "path": "optional-" + str(value is None)}]}, [], None


SOURCES_OF_NOTHING = {
    "a variable that is not set": (from_environment, None),
    "an empty variable": (from_environment, ""),
    "a Secret that is not mounted": (from_secret, None),
    "an empty Secret": (from_secret, ""),
    "a Secret of a line break": (from_encoded_secret, None),
    "a ConfigMap without the key": (from_config_map, None),
    "a blank in a ConfigMap": (from_config_map, " "),
    "a missing file": (from_file, None),
    "an empty file": (from_file, ""),
}


def merged(*specs):
    whole = {}
    for spec in specs:
        for field, value in spec.items():
            whole[field] = whole[field] + value if field in whole else value
    return whole


@pytest.mark.parametrize("name", SOURCES_OF_NOTHING)
def test_an_optional_auth_parameter_without_a_value_is_absent(start, world, tmp_path, name):
    """As KEDA's resolver, which returns an empty text and continues: the keys are used without a
    token, the role is assumed without an external id, and without a role the pod's identity is
    used."""
    make, value = SOURCES_OF_NOTHING[name]
    (tmp_path / "optional-False").write_text("\n")
    user = world.user()
    world.role(arn=OTHER, assume_role=[ROLE])
    keys = plain("Secret", "keys", stringData={"id": user["access_key"],
                                               "secret": user["secret_key"]})
    token, documents, variable = make("awsSessionToken", value)
    external, _, _ = make("awsExternalId", value)
    role, _, _ = make("awsRoleArn", value)
    env = {} if variable is None else {"OPTIONAL": variable}
    reference = "ClusterTriggerAuthentication"

    def asked(auth):
        return {**trigger(), "authenticationRef": {"name": auth, "kind": reference}}

    for document in [keys, *documents]:
        document["metadata"]["namespace"] = "keda"  # of a ClusterTriggerAuthentication
    agent = start(
        scaled_object("token", asked("token")), scaled_object("role", asked("role")),
        scaled_object("external", asked("external")), scaled_object("aws", asked("aws")),
        authentication("token", reference, **merged(targets("keys"), token)),
        authentication("external", reference, **merged(
            {"secretTargetRef": [{"parameter": "awsRoleArn", "name": "role", "key": "arn"}]},
            external)),
        authentication("role", reference, **role),
        authentication("aws", reference, podIdentity={"provider": "aws"}, **role),
        plain("Secret", "role", "keda", stringData={"arn": OTHER}), keys, *documents,
        env=env, options=["--secrets-dir", str(tmp_path)])
    for asked_for in ("token", "role", "external", "aws"):
        world.forget()
        assert agent.rpc("count", trigger=asked_for)["count"] == 7, asked_for
        query = [request for request in world.requests() if request["service"] == "dynamodb"][-1]
        assert (query["access_key"] == user["access_key"]) == (asked_for == "token")


def test_an_optional_auth_parameter_that_is_broken_stays_an_error(start):
    """A value that exists but is unusable does not count as absent."""
    agent = start(
        scaled_object("it", {**trigger(), "authenticationRef": {"name": "auth"}}),
        authentication("auth", **merged(targets("keys"), {"secretTargetRef": [
            {"parameter": "awsSessionToken", "name": "keys", "key": "token"}]})),
        plain("Secret", "keys", data={"id": encoded("AKIA"), "secret": encoded("s"),
                                      "token": "<TOKEN>"}))
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="it")
    assert caught.value.name == "CREDENTIALS" and "not base64" in str(caught.value)
