# SPDX-License-Identifier: Apache-2.0
"""Credentials: one call for each identity, refreshed in time, never lost, never leaked."""

import os
import time

import pytest

from tests.gateway.world import ROLE, SUBJECT

from . import process_facts
from .rpc import RpcError
from .yaml_files import scaled_object, small_object, trigger


def recount(agent, **params):
    return agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=20_000, **params)["count"]


def test_the_token_travels_in_the_body_of_a_post(start, world):
    start(small_object()).rpc("count", trigger="small")
    call = world.requests(service="sts")[0]
    assert (call["method"], call["target"]) == ("POST", "/")
    assert call["headers"]["content-type"].startswith("application/x-www-form-urlencoded")
    assert "authorization" not in call["headers"]


def test_the_session_is_named_after_the_pod(start, world):
    start(small_object(), env={"AWS_ROLE_SESSION_NAME": None}).rpc("count", trigger="small")
    assert "RoleSessionName=tally-" in world.requests(service="sts")[0]["body"]


def test_a_session_name_of_the_environment_is_used(start, world):
    agent = start(small_object(), env={"AWS_ROLE_SESSION_NAME": "me+=,.@-here"})
    agent.rpc("count", trigger="small")
    assert "RoleSessionName=me+=,.@-here" in world.requests(service="sts")[0]["body"]


def test_credentials_are_refreshed_before_they_end(start, world):
    world.role(web_identity=SUBJECT, lifetime=4)
    agent = start(small_object())
    end = time.monotonic() + 9
    while time.monotonic() < end:
        assert recount(agent) == 7
        time.sleep(0.25)
    refused = [entry for entry in world.requests(service="dynamodb") if entry["status"] != 200]
    assert not refused
    assert 2 <= world.calls("sts", "AssumeRoleWithWebIdentity") <= 10


def test_credentials_that_aws_calls_expired_are_replaced_and_the_page_sent_again(start, world):
    agent = start(small_object())
    assert recount(agent) == 7
    world.expire()
    assert recount(agent) == 7
    codes = [entry["code"] for entry in world.requests(service="dynamodb")]
    assert codes == ["", "ExpiredTokenException", ""]
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 2


def test_credentials_that_aws_no_longer_knows_are_replaced(start, world):
    agent = start(small_object())
    assert recount(agent) == 7
    world.revoke()
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 2


def test_a_rotated_token_is_read_anew(start, world):
    agent = start(small_object())
    agent.mount.write(token=world.token(lifetime=2))
    assert recount(agent) == 7
    time.sleep(2.1)
    agent.mount.write(token=world.token())
    world.expire()
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 2


def test_a_token_that_is_away_for_a_moment_is_waited_for(start, world):
    agent = start(small_object())
    agent.mount.clear()
    with agent.connect() as connection:
        asked = connection.send("count", {"trigger": "small", "timeout_ms": 15_000})
        time.sleep(0.4)
        agent.mount.write(token=world.token())
        assert connection.answer(asked)["count"] == 7


def test_credentials_stay_while_a_refresh_fails(start, world):
    world.role(web_identity=SUBJECT, lifetime=6)
    agent = start(small_object())
    assert recount(agent) == 7
    world.fault(service="sts", status=503)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        assert recount(agent) == 7
        time.sleep(0.25)
    assert not [entry for entry in world.requests(service="dynamodb") if entry["code"]]


def test_a_transient_failure_of_sts_is_tried_again(start, world):
    world.fault(service="sts", code="IDPCommunicationError", times=1)
    agent = start(small_object())
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 2


def test_a_refused_role_is_reported_and_remembered(start, world):
    world.role(web_identity="system:serviceaccount:shop:somebody-else")
    agent = start(small_object())
    code, out, err = agent.cli("count", "small")
    assert (code, out) == (1, "")
    assert "ACCESS_DENIED" in err and "AccessDenied" in err and ROLE in err
    for _ in range(5):
        with pytest.raises(RpcError):
            recount(agent)
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1
    assert world.calls("dynamodb", "Query") == 0


THUMBPRINT = "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"


@pytest.mark.parametrize("code, message, advice", [
    ("InvalidIdentityToken", THUMBPRINT, "thumbprint of the account's IAM OIDC provider"),
    ("InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://x",
     "needs an IAM OIDC provider"),
    ("InvalidIdentityToken", "Incorrect token audience", "must list the audience"),
    ("InvalidIdentityToken", "Missing a required claim: iat", None),
    ("ValidationError",
     "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
     "maximum session duration"),
    ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", "trust policy"),
    ("AccessDenied", "no identity-based policy allows it", None),
])
def test_advice_depends_on_what_sts_says(start, world, code, message, advice):
    world.fault(service="sts", code=code, message=message)
    _, _, err = start(small_object()).cli("count", "small")
    assert message[:60] in err
    # No hint is better than a wrong one.
    hints = ["thumbprint of the", "needs an IAM OIDC", "must list the audience",
             "maximum session", "trust policy"]
    assert [hint for hint in hints if hint in err] == [hint for hint in hints if advice and hint in advice]


NOTHING = {"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None, "HOME": "/nonexistent"}


def refused_at_once(agent):
    """Returns the error, which arrives long before the deadline."""
    begun = time.monotonic()
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=60_000)
    assert caught.value.name == "CREDENTIALS" and time.monotonic() - begun < 30
    assert caught.value.answer["retryable"] is False
    return caught.value.answer["message"]


def test_a_process_without_identity_is_reported_at_once_and_at_the_start(start):
    agent = start(small_object(), env=NOTHING)
    agent.wait_for_log("event=identity_unusable")
    assert "has no identity" in agent.log()
    assert "has no identity" in refused_at_once(agent)


def test_a_profile_that_is_not_supported_is_reported_at_once(start, tmp_path):
    (tmp_path / "config").write_text("[default]\ncredential_process = /bin/true\n")
    agent = start(small_object(), env={**NOTHING, "AWS_CONFIG_FILE": str(tmp_path / "config")})
    assert "credential_process" in refused_at_once(agent)


def test_a_pod_that_was_admitted_before_its_association_is_reported_so(start):
    agent = start(small_object(), env={**NOTHING, "KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert "delete the pod" in refused_at_once(agent)
    assert "delete the pod" in agent.cli("whoami")[1]


def test_a_token_file_that_cannot_be_read_is_logged_at_the_start(start):
    agent = start(small_object(), env={"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token"})
    agent.wait_for_log("event=identity_unusable")
    assert "/nowhere/token" in agent.log()


def test_an_identity_that_can_be_used_is_no_event(start):
    agent = start(small_object())
    agent.wait_for_log("event=listening")
    assert recount(agent) == 7 and "identity_unusable" not in agent.log()


def test_region_local_is_dynamodb_local(start):
    trigger_of = small_object()
    trigger_of["spec"]["triggers"][0]["metadata"]["awsRegion"] = "local"
    agent = start(trigger_of, env={**NOTHING, "AWS_ENDPOINT_URL_DYNAMODB": None,
                                   "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
                                   "AWS_SECRET_ACCESS_KEY": "secret"})
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="small", timeout_ms=1500)
    assert "http://localhost:8000" in caught.value.answer["message"]


def test_a_token_of_pod_identity_is_recognised(pod, world):
    agent = pod(small_object())
    agent.mount.write(token=world.pod_token())
    agent.start()
    _, _, err = agent.cli("count", "small")
    assert "EKS Pod Identity" in err and "AWS_CONTAINER_CREDENTIALS_FULL_URI" in err
    assert "IAM OIDC provider" not in err


def test_static_keys_of_the_environment(start, world):
    key = world.user()
    agent = start(small_object(), env={
        "AWS_ACCESS_KEY_ID": key["access_key"], "AWS_SECRET_ACCESS_KEY": key["secret_key"],
        "AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None})
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 0
    assert world.requests(service="dynamodb")[0]["access_key"] == key["access_key"]


def test_static_keys_of_the_trigger(start, world):
    key = world.user()
    agent = start(scaled_object("small", trigger(
        awsAccessKeyIDFromEnv="MY_ID", awsSecretAccessKeyFromEnv="MY_SECRET")),
        env={"MY_ID": key["access_key"], "MY_SECRET": key["secret_key"]})
    assert recount(agent) == 7
    assert world.requests(service="dynamodb")[0]["access_key"] == key["access_key"]
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 0


def test_temporary_keys_of_the_environment(start, world):
    key = world.session()
    agent = start(small_object(), env={
        "AWS_ACCESS_KEY_ID": key["access_key"], "AWS_SECRET_ACCESS_KEY": key["secret_key"],
        "AWS_SESSION_TOKEN": key["token"]})
    assert recount(agent) == 7
    assert world.requests(service="dynamodb")[0]["access_key"] == key["access_key"]


@pytest.mark.timing
@pytest.mark.parametrize("make, words", [
    (lambda agent: agent.mount.clear(), ["cannot be read"]),
    (lambda agent: agent.mount.write(token=""), ["empty"]),
], ids=["missing", "empty"])
def test_a_token_file_that_stays_away_is_named(start, make, words):
    agent = start(small_object())
    make(agent)
    code, out, err = agent.cli("count", "small", "--timeout", "3s")
    assert out == "" and code in (1, 4)
    assert agent.mount.path("token") in err
    for word in words:
        assert word in err


def test_an_unreadable_token_file_is_explained(start, tmp_path):
    folder = tmp_path / "token"
    folder.mkdir()
    agent = start(small_object(), env={"AWS_WEB_IDENTITY_TOKEN_FILE": str(folder)})
    code, out, err = agent.cli("count", "small", "--timeout", "3s")
    assert out == "" and code in (1, 4)
    assert str(folder) in err


def test_a_denied_query_is_reported_and_not_hammered(start, world):
    world.role(web_identity=SUBJECT, deny=["dynamodb:Query"])
    agent = start(small_object())
    code, out, err = agent.cli("count", "small")
    assert (code, out) == (1, "")
    assert "ACCESS_DENIED" in err and "AccessDeniedException" in err
    for _ in range(5):
        with pytest.raises(RpcError) as caught:
            recount(agent)
        assert caught.value.name == "ACCESS_DENIED"
    assert world.calls("dynamodb", "Query") == 1
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1


def test_whoami_shows_who_and_why_and_no_secret(start, world):
    agent = start(small_object())
    assert recount(agent) == 7
    code, out, err = agent.cli("whoami")
    assert (code, err) == (0, "")
    for word in ("web-identity", ROLE, agent.mount.path("token"), SUBJECT, "assumed-role"):
        assert word in out
    identity, = agent.rpc("whoami")["identities"]
    assert (identity["kind"], identity["state"]) == ("web-identity", "valid")
    assert identity["account"] == "123456789012"
    assert 0 < identity["expires_in_ms"] <= 3_600_000


def test_whoami_works_without_sts(start, world):
    world.fault(service="*", status=503)
    agent = start(small_object())
    code, out, _ = agent.cli("whoami")
    assert code == 0
    assert ROLE in out


def large(path):
    with open(path, "wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize("make", [large, os.mkfifo, os.mkdir,
                                  lambda path: os.symlink("/dev/zero", path)],
                         ids=["a terabyte", "pipe", "folder", "endless"])
@pytest.mark.parametrize("variable", ["AWS_WEB_IDENTITY_TOKEN_FILE",
                                      "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
def test_what_is_no_token_file_neither_fills_the_memory_nor_blocks(
        start, world, tmp_path, make, variable):
    path = str(tmp_path / "token")
    make(path)
    env = {"AWS_WEB_IDENTITY_TOKEN_FILE": path}
    if variable != "AWS_WEB_IDENTITY_TOKEN_FILE":
        env = {"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None, variable: path,
               "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + "/v1/credentials"}
    agent = start(small_object(), env=env)
    before = process_facts.anonymous_kb(agent.child.pid)
    asked = agent.connect()
    msgid = asked.send("count", {"trigger": "small", "timeout_ms": 4000})
    begun = time.monotonic()
    assert agent.cli("ping")[0] == 0
    assert time.monotonic() - begun < 3
    with pytest.raises(RpcError) as caught:
        asked.answer(msgid)
    asked.close()
    assert caught.value.name in ("CREDENTIALS", "TIMEOUT") and path in caught.value.answer["message"]
    grown = process_facts.anonymous_kb(agent.child.pid) - before
    assert process_facts.is_sanitized(agent.child.pid) or grown < 2_000, f"{grown} kB more"


def test_a_skewed_clock_is_corrected(start, world):
    world.clock_offset(seconds=1000)
    agent = start(small_object())
    assert recount(agent) == 7
    assert recount(agent) == 7
    codes = [entry["code"] for entry in world.requests(service="dynamodb")]
    assert codes == ["InvalidSignatureException", "", ""] or codes == ["", ""]
    skew = agent.rpc("status")["clock_skew_ms"]
    assert 995_000 < skew < 1_005_000
    assert agent.log().count("event=clock_skew ") == 1


def test_a_clock_that_is_right_is_not_logged(start):
    agent = start(small_object())
    assert recount(agent) == 7
    assert abs(agent.rpc("status")["clock_skew_ms"]) < 5_000
    assert "clock_skew" not in agent.log()


def test_a_clock_that_is_hours_ahead_heals(start, world):
    """By this machine's clock all received credentials have expired, so the agent would sign no
    request that could be refused; but STS's reply has its time."""
    world.clock_offset(seconds=-3 * 3600)
    agent = start(small_object())
    assert recount(agent) == 7
    assert recount(agent) == 7
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1
    assert [entry["code"] for entry in world.requests(service="dynamodb")] == ["", ""]
    identity, = agent.rpc("whoami")["identities"]
    assert 0 < identity["expires_in_ms"] <= 3_600_000


def test_an_odd_endpoint_does_not_set_the_clock_for_others(start, world):
    """A refusal has a Date years ahead; the credentials are still valid for an hour."""
    odd = world.listen(service="dynamodb")
    agent = start(small_object(), scaled_object("odd", trigger(awsEndpoint=odd)))
    for _ in range(3):
        world.fault(action="Query", code="RequestTimeTooSkewed", date_offset=1e8, times=1)
        with pytest.raises(RpcError):
            agent.rpc("count", trigger="odd", max_age_ms=0, timeout_ms=1500)
        world.heal()
        assert recount(agent) == 7
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1
    codes = [entry["code"] for entry in world.requests(service="dynamodb")]
    assert codes.count("") == 3
