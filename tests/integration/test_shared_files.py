# SPDX-License-Identifier: Apache-2.0
"""The shared AWS files as the SDKs read them, compared with botocore where possible."""

import os

import pytest
from botocore.session import Session

from .rpc import RpcError
from .yaml_files import scaled_object, small_object, trigger

NOTHING = {"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None, "HOME": "/nonexistent"}


@pytest.fixture
def keys(world):
    return world.user()


def by_botocore(monkeypatch, **files):
    """The access key that botocore reads from these files, or None."""
    for variable, path in files.items():
        monkeypatch.setenv(variable, path)
    for variable in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN",
                     "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    found = Session().get_credentials()
    return found and found.access_key


INDENTED = {
    "blanks": "[default]\n    aws_access_key_id = {id}\n    aws_secret_access_key = {secret}\n",
    "tabs": "[default]\n\taws_access_key_id = {id}\n\taws_secret_access_key = {secret}\n",
    "behind a section of sub-settings":
        "[default]\ns3 =\n    max = 1\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n",
}


@pytest.mark.parametrize("shape", INDENTED)
def test_indented_keys_are_settings(start, keys, tmp_path, monkeypatch, shape):
    path = tmp_path / "credentials"
    path.write_text(INDENTED[shape].format(id=keys["access_key"], secret=keys["secret_key"]))
    assert by_botocore(monkeypatch, AWS_SHARED_CREDENTIALS_FILE=str(path),
                       AWS_CONFIG_FILE="/nonexistent") == keys["access_key"]
    agent = start(small_object(), env={**NOTHING, "AWS_SHARED_CREDENTIALS_FILE": str(path)})
    assert agent.rpc("count", trigger="small")["count"] == 7


@pytest.fixture
def start_eks_pod(pod, world):
    """Starts an agent with EKS Pod Identity in addition to the rest of its environment."""
    def make(**env):
        agent = pod(small_object(), env={
            **NOTHING, **env,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + "/v1/credentials"})
        agent.mount.write(token=world.pod_token())
        agent.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = agent.mount.path("token")
        return agent.start()

    return make


@pytest.mark.parametrize("path", ["/dev/null", "/nonexistent/file"])
def test_a_file_that_is_named_and_not_there_is_empty(start_eks_pod, path):
    agent = start_eks_pod(AWS_CONFIG_FILE=path, AWS_SHARED_CREDENTIALS_FILE=path)
    assert agent.rpc("count", trigger="small")["count"] == 7
    identity, = agent.rpc("whoami")["identities"]
    assert identity["kind"] == "container" and identity["not_used"] == []


def test_a_role_without_a_token_file_configures_nothing(start_eks_pod):
    agent = start_eks_pod(AWS_ROLE_ARN="arn:aws:iam::123456789012:role/app-setting")
    assert agent.rpc("count", trigger="small")["count"] == 7
    identity, = agent.rpc("whoami")["identities"]
    unused, = identity["not_used"]
    assert unused["source"] == "AWS_ROLE_ARN" and "configures nothing" in unused["reason"]


def test_sources_that_are_not_used_are_listed_with_the_reason(start, tmp_path, keys):
    path = tmp_path / "credentials"
    path.write_text("[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n")
    agent = start(small_object(), env={
        "AWS_ACCESS_KEY_ID": keys["access_key"], "AWS_SECRET_ACCESS_KEY": keys["secret_key"],
        "AWS_SHARED_CREDENTIALS_FILE": str(path), "HOME": "/nonexistent"})
    identity, = agent.rpc("whoami")["identities"]
    assert [entry["source"] for entry in identity["not_used"]] == [
        "AWS_WEB_IDENTITY_TOKEN_FILE", "the profile of the shared AWS files"]
    assert all("precedes it" in entry["reason"] for entry in identity["not_used"])
    assert "precedes it" in agent.cli("whoami")[1]


def authentication(name):
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"podIdentity": {"provider": "aws"}}}


def test_each_trigger_is_reported_its_own_reason(start):
    objects = [scaled_object(name, {**trigger(), "authenticationRef": {"name": f"auth-{name}"}})
               for name in ("a", "b")]
    agent = start(*objects, authentication("auth-a"), authentication("auth-b"))
    for name in ("a", "b"):
        identity, = agent.rpc("whoami", trigger=name)["identities"]
        assert f"auth-{name}" in identity["why"] and identity["triggers"] == [f"shop/{name}"]
    assert agent.rpc("count", trigger="a")["count"] == agent.rpc("count", trigger="b")["count"] == 7


def test_reasons_do_not_cost_a_call_of_sts_each(start, world):
    objects = [scaled_object(name, {**trigger(), "authenticationRef": {"name": f"auth-{name}"}})
               for name in ("a", "b")]
    agent = start(*objects, authentication("auth-a"), authentication("auth-b"))
    for name in ("a", "b"):
        agent.rpc("count", trigger=name)
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1


REDIRECTS = {
    "endpoint_url": ("endpoint_url = http://127.0.0.1:1\n", "AWS_ENDPOINT_URL"),
    "services": ("services = ls\n[services ls]\ndynamodb =\n  endpoint_url = http://127.0.0.1:1\n",
                 "AWS_ENDPOINT_URL_DYNAMODB"),
    "ca_bundle": ("ca_bundle = /corp.pem\n", "AWS_CA_BUNDLE"),
    "use_fips_endpoint": ("use_fips_endpoint = true\n", "AWS_USE_FIPS_ENDPOINT"),
    "use_dualstack_endpoint": ("use_dualstack_endpoint = true\n", "AWS_USE_DUALSTACK_ENDPOINT"),
    "sts_regional_endpoints": ("sts_regional_endpoints = legacy\n", "AWS_STS_REGIONAL_ENDPOINTS"),
}


@pytest.mark.parametrize("setting", REDIRECTS)
def test_a_setting_that_sends_keys_elsewhere_is_refused_by_name(start, world, tmp_path, setting):
    text, variable = REDIRECTS[setting]
    path = tmp_path / "config"
    path.write_text("[profile dev]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n"
                    + text)
    agent = start(small_object(), env={**NOTHING, "AWS_CONFIG_FILE": str(path), "AWS_PROFILE": "dev",
                                       "AWS_ENDPOINT_URL_STS": None})
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="small", timeout_ms=5000)
    assert caught.value.name == "CREDENTIALS"
    assert f"profile dev: {setting} " in caught.value.answer["message"]
    assert variable in caught.value.answer["message"]
    assert world.calls("dynamodb", "Query") == 0


def test_the_environment_stands_above_the_files(start, keys, tmp_path, world):
    path = tmp_path / "config"
    path.write_text(f"[default]\naws_access_key_id = {keys['access_key']}\n"
                    f"aws_secret_access_key = {keys['secret_key']}\nendpoint_url = http://127.0.0.1:1\n")
    agent = start(small_object(), env={**NOTHING, "AWS_CONFIG_FILE": str(path)})
    # AWS_ENDPOINT_URL_DYNAMODB and …_STS are set in every test.
    assert agent.rpc("count", trigger="small")["count"] == 7


def test_a_redirection_is_refused_whatever_the_source_of_the_keys_is(start, tmp_path):
    path = tmp_path / "config"
    path.write_text("[default]\nendpoint_url = http://127.0.0.1:1\n")
    agent = start(small_object(), env={"AWS_CONFIG_FILE": str(path), "AWS_ENDPOINT_URL_STS": None})
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="small", timeout_ms=5000)
    assert "endpoint_url" in caught.value.answer["message"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be somebody else")
def test_a_file_that_cannot_be_read_is_named_with_uid_and_mode(pod, tmp_path):
    path = tmp_path / "credentials"
    path.write_text("[default]\n")
    path.chmod(0o600)
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        os.chmod(folder, 0o755)
    agent = pod(small_object(), env={**NOTHING, "AWS_SHARED_CREDENTIALS_FILE": str(path)})
    os.chown(agent.folder, 65534, 65534)
    agent.start(wrapper=["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="small", timeout_ms=5000)
    assert str(path) in caught.value.answer["message"]
    assert "65534" in caught.value.answer["message"] and "0600" in caught.value.answer["message"]


@pytest.mark.parametrize("setting", ["sso_session", "login_session", "credential_process"])
def test_what_is_not_supported_names_the_workaround(start, tmp_path, setting):
    path = tmp_path / "config"
    path.write_text(f"[default]\n{setting} = x\n")
    agent = start(small_object(), env={**NOTHING, "AWS_CONFIG_FILE": str(path)})
    _, _, err = agent.cli("count", "small")
    assert setting in err and "export-credentials" in err
