# SPDX-License-Identifier: Apache-2.0
"""The credential sources of a pod that test_identity.py (web identity) and
test_credential_sources.py do not cover, against services that verify their requests."""

import os
import time

import pytest

from tests.gateway.mount import ProjectedVolume
from tests.gateway.world import ACCOUNT, ROLE, SUBJECT

from .yaml_files import scaled_object, small_object, trigger

OTHER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/billing-reader"
NO_WEB_IDENTITY = {"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None}


def recount(agent, **params):
    return agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=20_000, **params)["count"]


def whoami(agent):
    identity, = agent.rpc("whoami")["identities"]
    return identity


def with_auth(**spec):
    """The small queue, with the identity of a TriggerAuthentication."""
    return (
        scaled_object("small", {**trigger(), "authenticationRef": {"name": "auth"}}),
        {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication",
         "metadata": {"name": "auth", "namespace": "shop"}, "spec": spec},
    )


def pod_identity(provider, **more):
    return with_auth(podIdentity={"provider": provider, **more})


def from_secret(*parameters):
    return with_auth(secretTargetRef=[
        {"parameter": parameter, "name": "aws-keys", "key": parameter}
        for parameter in parameters])


def secret(**values):
    return {"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "aws-keys", "namespace": "shop"}, "stringData": values}


def mount_secret(folder, **values):
    """A mounted Secret below --secrets-dir, replaced atomically."""
    ProjectedVolume(os.path.join(folder, "aws-keys")).write(**values)


def askers(world):
    """The access keys of the requests to DynamoDB, in order."""
    return [entry["access_key"] for entry in world.requests(service="dynamodb")]


# ---- access keys ----------------------------------------------------------------------------


def test_keys_of_a_secret_document(start, world):
    key = world.user()
    agent = start(*from_secret("awsAccessKeyID", "awsSecretAccessKey"),
                  secret(awsAccessKeyID=key["access_key"], awsSecretAccessKey=key["secret_key"]))
    assert recount(agent) == 7
    assert askers(world) == [key["access_key"]]
    assert whoami(agent)["kind"] == "static"


def test_keys_of_a_secret_document_with_a_session_token(start, world):
    key = world.session()
    agent = start(
        *from_secret("awsAccessKeyID", "awsSecretAccessKey", "awsSessionToken"),
        secret(awsAccessKeyID=key["access_key"], awsSecretAccessKey=key["secret_key"],
               awsSessionToken=key["token"]))
    assert recount(agent) == 7
    assert askers(world) == [key["access_key"]]


def test_a_mounted_secret_that_is_rotated_is_used_without_a_failed_call(start, world, tmp_path):
    old, new = world.user(name="old"), world.user(name="new")
    mount_secret(tmp_path, awsAccessKeyID=old["access_key"], awsSecretAccessKey=old["secret_key"])
    agent = start(*from_secret("awsAccessKeyID", "awsSecretAccessKey"),
                  options=["--secrets-dir", str(tmp_path)])
    assert recount(agent) == 7
    mount_secret(tmp_path, awsAccessKeyID=new["access_key"] + "\n",
                 awsSecretAccessKey=new["secret_key"] + "\n")
    world.revoke(access_key=old["access_key"])
    assert recount(agent) == 7
    assert askers(world) == [old["access_key"], new["access_key"]]


def test_a_key_that_nobody_knows_is_refused_and_told(start, world):
    key = world.user()
    world.revoke(access_key=key["access_key"])
    agent = start(small_object(), env={
        **NO_WEB_IDENTITY, "AWS_ACCESS_KEY_ID": key["access_key"],
        "AWS_SECRET_ACCESS_KEY": key["secret_key"]})
    code, out, err = agent.cli("count", "small", "--timeout", "3s")
    assert out == "" and code in (1, 4)
    assert "UnrecognizedClientException" in err


# ---- assumed roles --------------------------------------------------------------------------


def test_aws_eks_assumes_another_role_on_top(start, world):
    world.role(arn=OTHER_ROLE, assume_role=[ROLE])
    objects = list(pod_identity("aws-eks"))
    objects[1]["spec"]["env"] = [
        {"parameter": "awsRoleArn", "name": "TARGET_ROLE", "containerName": "c"}]
    agent = start(*objects, env={"TARGET_ROLE": OTHER_ROLE})
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRole") == 1


def test_podidentity_aws_takes_its_role_by_web_identity(start, world):
    world.role(arn=OTHER_ROLE, web_identity=SUBJECT)
    agent = start(*pod_identity("aws", roleArn=OTHER_ROLE))
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1
    assert world.calls("sts", "AssumeRole") == 0
    assert whoami(agent)["role"] == OTHER_ROLE


def test_podidentity_aws_assumes_a_role_after_a_refusal(start, world):
    world.role(arn=OTHER_ROLE, external_id="tenant+7",
               assume_role=[ROLE])
    agent = start(*pod_identity("aws", roleArn=OTHER_ROLE, externalID="tenant+7"))
    assert recount(agent) == 7
    actions = [entry["action"] for entry in world.requests(service="sts")]
    assert actions == ["AssumeRoleWithWebIdentity", "AssumeRoleWithWebIdentity", "AssumeRole"]
    # The choice is made again the next time.
    world.role(arn=OTHER_ROLE, web_identity=SUBJECT)
    world.expire()
    world.forget()
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRole") == 0


def test_a_wrong_external_id_is_refused(start, world):
    world.role(arn=OTHER_ROLE, external_id="tenant+7",
               assume_role=[ROLE])
    agent = start(*pod_identity("aws", roleArn=OTHER_ROLE, externalID="tenant+8"))
    code, _, err = agent.cli("count", "small")
    assert code == 1
    assert "ACCESS_DENIED" in err and "AssumeRole" in err
    assert world.calls("dynamodb", "Query") == 0


def test_podidentity_aws_takes_no_fault_for_a_refusal(start, world):
    world.role(arn=OTHER_ROLE, web_identity=SUBJECT,
               assume_role=[ROLE])
    world.fault(service="sts", code="InvalidIdentityToken", times=2,
                message="Couldn't retrieve verification key from your identity provider")
    agent = start(*pod_identity("aws", roleArn=OTHER_ROLE))
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 3
    assert world.calls("sts", "AssumeRole") == 0


def test_one_base_and_one_call_for_each_role(start, world):
    roles = [f"arn:aws:iam::{ACCOUNT}:role/r{number}" for number in range(3)]
    documents = []
    for number, role in enumerate(roles):
        world.role(arn=role, assume_role=[ROLE])
        documents += [
            scaled_object(f"o{number}", *[
                {**trigger(), "authenticationRef": {"name": f"a{number}"}} for _ in range(5)]),
            {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication",
             "metadata": {"name": f"a{number}", "namespace": "shop"},
             "spec": {"env": [{"parameter": "awsRoleArn", "name": f"R{number}",
                               "containerName": "c"}]}},
        ]
    agent = start(*documents, env={f"R{number}": role for number, role in enumerate(roles)})
    with agent.connect() as connection:
        asked = [connection.send("count", {"trigger": f"o{number}/{index}"})
                 for number in range(3) for index in range(5)]
        answers = [connection.receive() for _ in asked]
    assert sorted(msgid for _, msgid, _, _ in answers) == asked
    assert [result["count"] for _, _, _, result in answers] == [7] * 15
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1
    assert world.calls("sts", "AssumeRole") == 3


# ---- container endpoints ---------------------------------------------------------------------


@pytest.fixture
def eks_pod(pod, world):
    """An agent in a pod with an EKS Pod Identity association, not started yet."""
    def make(*documents, env=None, **options):
        agent = pod(*(documents or [small_object()]), env={
            **NO_WEB_IDENTITY,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + "/v1/credentials",
            **(env or {})}, **options)
        agent.mount.write(token=world.pod_token() + "\n")
        agent.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = agent.mount.path("token")
        return agent
    return make


def test_eks_pod_identity(eks_pod, world):
    agent = eks_pod().start()
    assert recount(agent) == 7
    call, = world.requests(service="container")
    assert (call["action"], call["status"], call["method"]) == ("PodIdentity", 200, "GET")
    assert world.requests(service="sts") == []
    identity = whoami(agent)
    assert (identity["kind"], identity["state"]) == ("container", "valid")
    assert identity["token_file"]["subject"] == SUBJECT
    assert identity["token_file"]["audience"] == "pods.eks.amazonaws.com"
    assert "pods.eks.amazonaws.com" in identity["trust"]


def test_podidentity_aws_finds_eks_pod_identity(eks_pod, world):
    agent = eks_pod(*pod_identity("aws")).start()
    assert recount(agent) == 7
    assert len(world.requests(service="container")) == 1


def test_a_role_on_top_of_eks_pod_identity(eks_pod, world):
    world.role(arn=OTHER_ROLE, assume_role=[ROLE])
    agent = eks_pod(*pod_identity("aws", roleArn=OTHER_ROLE)).start()
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRole") == 1
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 0


def test_the_authorization_token_is_read_for_each_request(eks_pod, world):
    agent = eks_pod().start()
    agent.mount.write(token=world.pod_token(lifetime=2))
    assert recount(agent) == 7
    time.sleep(2.1)
    agent.mount.write(token=world.pod_token())
    world.expire()
    assert recount(agent) == 7
    assert [entry["status"] for entry in world.requests(service="container")] == [200, 200]


def test_container_credentials_are_refreshed_before_they_end(eks_pod, world):
    world.role(pod_identity=SUBJECT, lifetime=4)
    agent = eks_pod().start()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert recount(agent) == 7
        time.sleep(0.25)
    assert not [entry for entry in world.requests(service="dynamodb") if entry["code"]]
    assert 2 <= world.calls("container", "PodIdentity") <= 8


def test_a_pod_without_an_association_is_reported_what_is_missing(eks_pod, world):
    world.role(pod_identity="system:serviceaccount:else:where")
    agent = eks_pod().start()
    code, out, err = agent.cli("count", "small")
    assert (code, out) == (1, "")
    assert "ResourceNotFoundException" in err and "Pod Identity association" in err
    assert world.calls("container", "PodIdentity") == 1


def test_a_role_that_eks_may_not_assume_gets_the_hint_about_its_trust_policy(eks_pod, world):
    world.fault(service="container", status=400, body="[r-1]: (AccessDeniedException): Unauthorized "
                "Exception! EKS does not have permissions to assume the associated role., fault: client")
    _, _, err = eks_pod().start().cli("count", "small")
    assert "service pods.eks.amazonaws.com" in err and "Pod Identity association" not in err


def test_an_agent_that_is_not_up_yet_is_waited_for(eks_pod, world):
    world.fault(service="container", reset="before", times=2)
    agent = eks_pod().start()
    assert recount(agent) == 7


# The unit tests cover invalid documents; these are faults of the network.
@pytest.mark.timing
@pytest.mark.parametrize("fault", [
    {"body": "<html>"}, {"endless": True}, {"close": "within"}, {"location": "http://127.0.0.1:9/"},
], ids=["html", "endless", "closed", "redirect"])
def test_hostile_replies_of_a_container_endpoint_are_refused(eks_pod, world, fault):
    world.fault(service="container", **fault)
    agent = eks_pod().start()
    code, out, err = agent.cli("count", "small", "--timeout", "3s")
    assert out == "" and code in (1, 4)
    assert "container credentials" in err
    world.heal()
    assert recount(agent) == 7


def test_an_ecs_task(start, world):
    agent = start(small_object(), env={
        **NO_WEB_IDENTITY,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + world.task()})
    assert recount(agent) == 7
    call, = world.requests(service="container")
    assert (call["action"], call["status"]) == ("Task", 200)
    assert "authorization" not in call["headers"]


# ---- the metadata service ---------------------------------------------------------------------


def imds_env(world):
    return {**NO_WEB_IDENTITY, "AWS_EC2_METADATA_SERVICE_ENDPOINT": world.urls["imds"] + "/"}


def test_the_metadata_service_where_it_is_asked_for(start, world):
    world.metadata(version="2")
    agent = start(small_object(), env=imds_env(world), options=["--imds"])
    assert recount(agent) == 7
    actions = [entry["action"] for entry in world.requests(service="imds")]
    assert actions == ["Token", "Role", "Credentials"]
    identity = whoami(agent)
    assert (identity["kind"], identity["role"]) == ("imds", "orders-worker")


def test_version_1_is_not_spoken(start, world):
    world.metadata(version="1")
    agent = start(small_object(), env=imds_env(world), options=["--imds"])
    code, _, err = agent.cli("count", "small", "--timeout", "3s")
    assert code in (1, 4)
    assert {entry["action"] for entry in world.requests(service="imds")} == {"Token"}


# ---- profiles of the shared files --------------------------------------------------------------


@pytest.fixture
def home(tmp_path):
    """Creates a home with the shared AWS files; returns the agent's variables."""
    def make(config="", credentials="", **env):
        folder = tmp_path / ".aws"
        folder.mkdir(exist_ok=True)
        (folder / "config").write_text(config)
        (folder / "credentials").write_text(credentials)
        return {**NO_WEB_IDENTITY, "HOME": str(tmp_path), **env}
    return make


def keys_text(section, key):
    return (f"[{section}]\naws_access_key_id = {key['access_key']}\n"
            f"aws_secret_access_key = {key['secret_key']}\n")


def test_the_keys_of_the_default_profile(start, world, home):
    key = world.user()
    agent = start(small_object(), env=home(credentials=keys_text("default", key)))
    assert recount(agent) == 7
    assert askers(world) == [key["access_key"]]


def test_a_profile_with_a_role_on_another(start, world, home):
    key = world.user(name="laptop")
    world.role(arn=OTHER_ROLE, assume_role=[key["arn"]], external_id="x")
    agent = start(small_object(), env=home(
        config=f"[profile dev]\nrole_arn={OTHER_ROLE}\nsource_profile=base\nexternal_id=x\n",
        credentials=keys_text("base", key), AWS_PROFILE="dev"))
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRole") == 1
    identity = whoami(agent)
    assert (identity["kind"], identity["role"]) == ("assume-role", OTHER_ROLE)
    assert "AWS_PROFILE" in identity["why"]


def test_a_profile_with_a_token_file(start, world, home, tmp_path):
    (tmp_path / "token").write_text(world.token())
    agent = start(small_object(), env=home(
        config=f"[default]\nrole_arn={ROLE}\nweb_identity_token_file={tmp_path}/token\n"))
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1


@pytest.mark.parametrize("source", ["EcsContainer", "Ec2InstanceMetadata"])
def test_a_profile_with_a_credential_source(start, world, home, source):
    world.role(arn=OTHER_ROLE, assume_role=[ROLE])
    world.metadata(version="2")
    env = home(config=f"[default]\nrole_arn={OTHER_ROLE}\ncredential_source={source}\n")
    env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = world.urls["container"] + world.task()
    env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = world.urls["imds"]
    agent = start(small_object(), env=env)
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRole") == 1
    asked = {entry["service"] for entry in world.requests()} - {"sts", "dynamodb"}
    assert asked == {"container" if source == "EcsContainer" else "imds"}


def test_a_profile_that_is_missing_is_an_error(start, world, home):
    agent = start(small_object(), env=home(AWS_PROFILE="nobody", **{
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + world.task()}))
    code, _, err = agent.cli("count", "small", "--timeout", "3s")
    assert code in (1, 4)
    assert "nobody" in err
    assert world.requests(service="container") == []


# ---- no replacement of a failed identity -------------------------------------------------------


def test_a_refused_web_identity_never_becomes_another_identity(start, world):
    world.role(web_identity="system:serviceaccount:else:where", pod_identity=SUBJECT)
    world.metadata(version="2")
    agent = start(small_object(), options=["--imds"], env={
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + world.task(),
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": world.urls["imds"]})
    code, _, err = agent.cli("count", "small")
    assert code == 1 and "ACCESS_DENIED" in err
    for service in ("container", "imds", "dynamodb"):
        assert world.requests(service=service) == []


@pytest.mark.parametrize("half", [
    {"AWS_ACCESS_KEY_ID": "AKIAHALF"}, {"AWS_SECRET_ACCESS_KEY": "half"},
    {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"},
], ids=lambda half: next(iter(half)))
def test_half_a_configuration_is_an_error(start, world, half):
    agent = start(small_object(), env={
        **NO_WEB_IDENTITY, **half,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + world.task()})
    code, _, err = agent.cli("count", "small", "--timeout", "3s")
    assert code in (1, 4)
    assert next(iter(half)) in err
    assert world.requests(service="container") == []


# ---- secrets -----------------------------------------------------------------------------------
# At its end every agent's log and answers are searched for every secret (agent.py); these tests
# produce as much output as possible.


def make_it_talk(agent):
    for method in ("whoami", "status", "list"):
        agent.rpc(method)
    for verb in (["whoami"], ["status"], ["list"], ["-o", "json", "whoami"], ["explain", "small"]):
        agent.cli(*verb)


@pytest.mark.parametrize("kind", ["web-identity", "assume-role", "container", "imds", "static"])
def test_no_secret_comes_out_of_a_talkative_agent(start, eks_pod, world, kind):
    world.role(arn=OTHER_ROLE, assume_role=[ROLE])
    world.metadata(version="2")
    talkative = ["--log-level", "debug"]
    if kind == "container":
        agent = eks_pod(options=talkative).start()
    elif kind == "imds":
        agent = start(small_object(), env=imds_env(world), options=[*talkative, "--imds"])
    elif kind == "static":
        key = world.session()
        agent = start(small_object(), options=talkative, env={
            **NO_WEB_IDENTITY, "AWS_ACCESS_KEY_ID": key["access_key"],
            "AWS_SECRET_ACCESS_KEY": key["secret_key"], "AWS_SESSION_TOKEN": key["token"]})
    elif kind == "assume-role":
        agent = start(*pod_identity("aws", roleArn=OTHER_ROLE, externalID="tenant+7"),
                      options=talkative)
    else:
        agent = start(small_object(), options=talkative)
    assert recount(agent) == 7
    make_it_talk(agent)
    world.expire()
    recount(agent) if kind != "static" else None
    make_it_talk(agent)
    assert "tenant+7" not in agent.log()


@pytest.mark.timing
@pytest.mark.parametrize("template", [
    "1 validation error detected: Value '{}' at 'webIdentityToken' failed to satisfy constraint",
    "{}", "bad token: {} {}",
])
def test_an_error_that_quotes_the_token_is_reported_without_it(start, world, template):
    agent = start(small_object(), options=["--log-level", "debug"])
    token = world.token()
    agent.mount.write(token=token)
    world.fault(service="sts", code="ValidationError", message=template.format(token, token))
    code, _, err = agent.cli("count", "small", "--timeout", "3s")
    assert code in (1, 4)
    assert "ValidationError" in err
    make_it_talk(agent)


def test_a_reply_that_holds_secrets_in_the_wrong_places_is_not_quoted(start, world):
    agent = start(small_object(), options=["--log-level", "debug"])
    key = world.session()
    world.fault(service="sts", body=f"<a>{key['secret_key']}</a> {key['token']}")
    code, _, _ = agent.cli("count", "small", "--timeout", "3s")
    assert code in (1, 4)
    make_it_talk(agent)


def test_a_file_that_holds_a_secret_in_the_wrong_shape_is_not_quoted(start, world, home):
    key = world.user()
    agent = start(small_object(), options=["--log-level", "debug"], env=home(
        credentials=f"[default]\naws_access_key_id = x\n{key['secret_key']}\n"))
    code, _, err = agent.cli("count", "small", "--timeout", "3s")
    assert code in (1, 4)
    assert "credentials:3" in err
    make_it_talk(agent)
