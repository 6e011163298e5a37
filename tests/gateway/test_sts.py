# SPDX-License-Identifier: Apache-2.0
"""The gateway's STS, with AWS's own client."""

import json

import pytest

from tests.gateway.test_signatures import client, count, refusal
from tests.gateway.world import ACCOUNT, ROLE

OTHER = f"arn:aws:iam::{ACCOUNT}:role/other"
NOBODY = {"access_key": "none", "secret_key": "none"}


def web_identity(world, token=None, role=ROLE, session="pod-1", **options):
    token = world.token() if token is None else token
    answer = client(world, "sts", NOBODY).assume_role_with_web_identity(
        RoleArn=role, RoleSessionName=session, WebIdentityToken=token, **options)
    return answer


def key_of(answer):
    result = answer["Credentials"]
    return {"access_key": result["AccessKeyId"], "secret_key": result["SecretAccessKey"],
            "token": result["SessionToken"]}


def test_a_token_buys_credentials_that_work(world):
    answer = web_identity(world)
    assert answer["AssumedRoleUser"]["Arn"] == (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/orders-worker/pod-1")
    assert answer["SubjectFromWebIdentityToken"] == "system:serviceaccount:shop:orders-worker"
    assert count(world, key_of(answer)) == 7


def test_get_caller_identity_names_the_session(world):
    key = key_of(web_identity(world))
    answer = client(world, "sts", key).get_caller_identity()
    assert answer["Account"] == ACCOUNT
    assert answer["Arn"].endswith("assumed-role/orders-worker/pod-1")


def test_a_roles_lifetime_is_kept(world):
    world.role(web_identity="system:serviceaccount:*", lifetime=2)
    answer = web_identity(world)
    age = answer["Credentials"]["Expiration"].timestamp() - world.requests()[0]["time"]
    assert 0 < age <= 2


@pytest.mark.parametrize("token, code, message", [
    ({"lifetime": -10}, "ExpiredTokenException", "Token expired: current date/time"),
    ({"audience": "vault"}, "InvalidIdentityToken", "Incorrect token audience"),
    ({"issuer": "https://elsewhere"}, "InvalidIdentityToken", "No OpenIDConnect provider found"),
    ({"foreign": True}, "InvalidIdentityToken", "signature could not be verified"),
    ({"subject": "system:serviceaccount:shop:other"}, "AccessDenied", "Not authorized to perform"),
])
def test_a_bad_token_is_refused(world, token, code, message):
    status, its_code, its_message = refusal(web_identity, world, world.token(**token))
    assert (status, its_code) == (403 if code == "AccessDenied" else 400, code)
    assert message in its_message


@pytest.mark.parametrize("token", [" ", "junk", "a.b.c"])
def test_what_is_no_token_is_refused(world, token):
    assert refusal(web_identity, world, token)[1] == "InvalidIdentityToken"


def test_an_altered_token_is_refused(world):
    head, claims, signature = world.token().split(".")
    altered = ".".join((head, claims, ("A" if signature[0] != "A" else "B") + signature[1:]))
    assert refusal(web_identity, world, altered)[1] == "InvalidIdentityToken"


def test_an_unknown_role_is_denied(world):
    assert refusal(web_identity, world, role=OTHER)[:2] == (403, "AccessDenied")


@pytest.mark.parametrize("session", ["x", "a b", "ä" * 4])
def test_a_bad_session_name_is_refused(world, session):
    assert refusal(web_identity, world, session=session)[:2] == (400, "ValidationError")


def test_assume_role_wants_trust_and_external_id(world):
    world.role(arn=OTHER, assume_role=[ROLE], external_id="tenant-7")
    sts = client(world, "sts", key_of(web_identity(world)))
    options = {"RoleArn": OTHER, "RoleSessionName": "chained"}
    assert refusal(sts.assume_role, **options)[:2] == (403, "AccessDenied")
    assert refusal(sts.assume_role, ExternalId="tenant-8", **options)[1] == "AccessDenied"
    answer = sts.assume_role(ExternalId="tenant-7", **options)
    assert count(world, key_of(answer)) == 7
    stranger = client(world, "sts", world.user())
    assert refusal(stranger.assume_role, ExternalId="tenant-7", **options)[1] == "AccessDenied"


@pytest.mark.parametrize("spoil, code", [
    (lambda world, key: {**key, "secret_key": "f" * 40}, "SignatureDoesNotMatch"),
    (lambda world, key: {**key, "access_key": "ASIAAAAAAAAAAAAAAAAA"}, "InvalidClientTokenId"),
    (lambda world, key: {**key, "token": "other"}, "InvalidClientTokenId"),
    (lambda world, key: world.session(lifetime=0), "ExpiredToken"),
])
def test_a_bad_signature_is_refused(world, spoil, code):
    sts = client(world, "sts", spoil(world, world.session()))
    assert refusal(sts.get_caller_identity)[:2] == (403, code)


def test_the_ledger_shows_no_token(world):
    web_identity(world)
    entry = json.dumps(world.requests())
    assert not [piece for piece in world.secrets() if piece in entry]
