# SPDX-License-Identifier: Apache-2.0
"""The other credential sources of a pod."""

import pytest

from tests.gateway.world import ACCOUNT, ROLE, SUBJECT

from .rpc import RpcError
from .yaml_files import scaled_object, small_object, trigger

NO_WEB_IDENTITY = {"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None}
OTHER = f"arn:aws:iam::{ACCOUNT}:role/other"


def recount(agent):
    return agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=20_000)["count"]


def authentication(**spec):
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication",
            "metadata": {"name": "auth", "namespace": "shop"}, "spec": spec}


def authenticated():
    return scaled_object("small", {**trigger(), "authenticationRef": {"name": "auth"}})


def test_pod_identity(world, start, tmp_path):
    token = tmp_path / "token"
    token.write_text(world.pod_token() + "\n")
    agent = start(small_object(), env={
        **NO_WEB_IDENTITY, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + "/v1/credentials"})
    assert recount(agent) == 7
    assert world.calls("container", "PodIdentity") == 1
    identity, = agent.rpc("whoami")["identities"]
    assert (identity["kind"], identity["state"]) == ("container", "valid")
    token.write_text(world.pod_token())
    world.expire()
    assert recount(agent) == 7
    assert world.calls("container", "PodIdentity") == 2


def test_the_container_endpoint_is_never_asked_through_a_proxy(world, start, tmp_path):
    token = tmp_path / "token"
    token.write_text(world.pod_token())
    proxy = world.proxy()
    agent = start(small_object(), env={
        **NO_WEB_IDENTITY, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + "/v1/credentials",
        "http_proxy": proxy, "all_proxy": proxy, "ALL_PROXY": proxy})
    assert agent.rpc("count", trigger="small")["count"] == 7
    assert world.calls("container", "PodIdentity") == 1
    assert world.requests(service="proxy") == []


def test_an_association_that_is_missing_is_explained(world, start, tmp_path):
    world.role(web_identity=None)
    token = tmp_path / "token"
    token.write_text(world.pod_token())
    agent = start(small_object(), env={
        **NO_WEB_IDENTITY, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + "/v1/credentials"})
    code, out, err = agent.cli("count", "small")
    assert (code, out) == (1, "")
    assert "Pod Identity association" in err


@pytest.mark.parametrize("url", ["http://127.evil.example/v1/credentials",
                                 "http://10.0.0.1/v1/credentials",
                                 "http://169.254.170.2.evil.example/", "ftp://127.0.0.1/"])
def test_a_container_endpoint_elsewhere_is_refused(start, url):
    agent = start(small_object(), env={**NO_WEB_IDENTITY,
                                       "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
                                       "AWS_CONTAINER_AUTHORIZATION_TOKEN": "secret-token"})
    code, out, err = agent.cli("count", "small")
    assert (code, out) == (1, "")
    assert "CREDENTIALS" in err and "AWS_CONTAINER_CREDENTIALS_FULL_URI" in err


def test_imds_is_asked_only_on_request(start, world):
    world.metadata()
    env = {**NO_WEB_IDENTITY, "AWS_EC2_METADATA_SERVICE_ENDPOINT": world.urls["imds"] + "/"}
    agent = start(small_object(), env=env)
    assert agent.cli("count", "small")[0] == 1
    assert not world.requests(service="imds")
    agent = start(small_object(), env=env, options=["--imds"])
    assert recount(agent) == 7
    assert world.calls("imds", "Token") == 1


@pytest.mark.parametrize("version", ["1", "2", "both"])
def test_kiam(start, world, version):
    world.metadata(version=version)
    agent = start(authenticated(), authentication(podIdentity={"provider": "aws-kiam"}),
                  env={**NO_WEB_IDENTITY, "AWS_EC2_METADATA_SERVICE_ENDPOINT": world.urls["imds"]})
    assert recount(agent) == 7


def test_a_role_is_assumed_on_top_of_the_pods_own(start, world):
    world.role(arn=OTHER, assume_role=[ROLE], lifetime=900)
    agent = start(authenticated(), authentication(
        secretTargetRef=[{"parameter": "awsRoleArn", "name": "role", "key": "arn"}]),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "role", "namespace": "shop"},
         "stringData": {"arn": OTHER}})
    assert recount(agent) == 7
    assert world.summary()["calls"] == {"sts:AssumeRoleWithWebIdentity": 1, "sts:AssumeRole": 1,
                                        "dynamodb:Query": 1}
    first, second = world.requests(service="sts")
    query, = world.requests(service="dynamodb")
    assert second["access_key"] == first["access_key"] != query["access_key"]


def test_the_real_names_of_aws_are_asked_through_the_proxy(start, world, tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text(world.ca())
    agent = start(small_object(), env={
        "AWS_ENDPOINT_URL_STS": None, "AWS_ENDPOINT_URL_DYNAMODB": None,
        "AWS_CA_BUNDLE": str(ca), "HTTPS_PROXY": world.proxy()})
    assert recount(agent) == 7
    assert [entry["target"] for entry in world.requests(service="proxy")] == [
        "sts.eu-west-1.amazonaws.com:443", "dynamodb.eu-west-1.amazonaws.com:443"]


@pytest.mark.parametrize("kind", ["expired", "other-name", "unknown-ca"])
def test_a_bad_certificate_is_refused(start, world, tmp_path, kind):
    ca = tmp_path / "ca.pem"
    ca.write_text(world.ca())
    agent = start(small_object(), env={
        "AWS_CA_BUNDLE": str(ca),
        "AWS_ENDPOINT_URL_DYNAMODB": world.listen(service="dynamodb", tls=kind)})
    code, out, err = agent.cli("count", "small", "--timeout", "4s")
    assert out == "" and code in (1, 4)
    assert "certificate" in err.lower()
    assert world.calls("dynamodb", "Query") == 0


def test_a_good_certificate_is_accepted(start, world, tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text(world.ca())
    agent = start(small_object(), env={
        "AWS_CA_BUNDLE": str(ca),
        "AWS_ENDPOINT_URL_DYNAMODB": world.listen(service="dynamodb", tls="good")})
    assert recount(agent) == 7


def test_a_refused_identity_is_never_replaced_by_another(start, world):
    world.metadata()
    world.role(web_identity=SUBJECT + "-else")
    agent = start(small_object(), options=["--imds"],
                  env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": world.urls["imds"]})
    assert agent.cli("count", "small")[0] == 1
    assert not world.requests(service="imds")
