# SPDX-License-Identifier: Apache-2.0
"""The other sources of credentials, and TLS, with AWS's own client."""

import json
import ssl
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import InstanceMetadataProvider
from botocore.utils import ContainerMetadataFetcher, InstanceMetadataFetcher, MetadataRetrievalError

from tests.gateway.test_signatures import BODY, count
from tests.gateway.test_sts import key_of, web_identity
from tests.gateway.world import ROLE


def key_from(document):
    return {"access_key": document["AccessKeyId"], "secret_key": document["SecretAccessKey"],
            "token": document["Token"]}


def fetch(url, token=None):
    headers = {"Authorization": token} if token else None
    return ContainerMetadataFetcher(sleep=lambda _: None).retrieve_full_uri(url, headers)


def test_pod_identity_wants_the_raw_token(world):
    url = world.urls["container"] + "/v1/credentials"
    document = fetch(url, world.pod_token())
    assert document["AccountId"] == "123456789012"
    assert count(world, key_from(document)) == 7
    for token in (None, "Bearer " + world.pod_token(), world.token(), world.pod_token(lifetime=-9),
                  world.pod_token(subject="system:serviceaccount:shop:other")):
        with pytest.raises(MetadataRetrievalError):
            fetch(url, token)


def test_a_task_is_known_by_its_path(world):
    path = world.task()
    document = fetch(world.urls["container"] + path)
    assert document["RoleArn"] == ROLE
    assert count(world, key_from(document)) == 7
    with pytest.raises(MetadataRetrievalError, match="InvalidIdInRequest"):
        fetch(world.urls["container"] + path[:-1] + "x")


@pytest.mark.parametrize("version", ["1", "2", "both"])
def test_the_metadata_service(world, version):
    world.metadata(version=version)
    fetcher = InstanceMetadataFetcher(base_url=world.urls["imds"] + "/",
                                      env={}, num_attempts=1, timeout=5)
    found = InstanceMetadataProvider(fetcher).load().get_frozen_credentials()
    assert count(world, {"access_key": found.access_key, "secret_key": found.secret_key,
                         "token": found.token}) == 7
    assert ("imds:Token" in world.summary()["calls"])


def test_version_2_refuses_who_has_no_token(world):
    world.metadata(version="2")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(world.urls["imds"] + "/latest/meta-data/iam/security-credentials/")


def test_tls_is_good_or_bad_as_asked(world, tmp_path):
    context = ssl.create_default_context(cadata=world.ca())
    url = world.listen(service="dynamodb", tls="good")
    with urllib.request.urlopen(url, context=context, timeout=10) as reply:
        assert reply.read().startswith(b"healthy")
    for kind in ("expired", "other-name", "unknown-ca"):
        url = world.listen(service="dynamodb", tls=kind)
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(url, context=context, timeout=10)


@pytest.mark.parametrize("region", ["eu-west-1", "ap-southeast-2"])
def test_the_real_names_lead_here_through_the_proxy(world, tmp_path, region):
    ca = tmp_path / "ca.pem"
    ca.write_text(world.ca())
    key = key_of(web_identity(world))
    dynamodb = boto3.client(
        "dynamodb", region_name=region, aws_access_key_id=key["access_key"],
        aws_secret_access_key=key["secret_key"], aws_session_token=key["token"], verify=str(ca),
        config=Config(proxies={"https": world.proxy()}, retries={"total_max_attempts": 1}))
    assert dynamodb.query(**json.loads(BODY))["Count"] == 7
    assert world.requests(service="proxy")[0]["target"] == f"dynamodb.{region}.amazonaws.com:443"
    host = world.requests(service="dynamodb")[0]["headers"]["host"]
    assert host == f"dynamodb.{region}.amazonaws.com"
