# SPDX-License-Identifier: Apache-2.0
"""Variables that other programs in the pod may need, and that must not make the agent's libraries
write secrets; and variables that are empty or invalid."""

import os

import pytest

from .yaml_files import small_object, text, scaled_object, trigger


def errors_of(agent):
    """The status of --check, and its errors."""
    code, err = agent.run("--check", "--config", agent.config)
    return code, [line for line in err.splitlines() if ": error: " in line]


def test_tls_secrets_are_written_to_no_file(start, world, tmp_path):
    bundle, keys = tmp_path / "ca.pem", tmp_path / "keys"
    bundle.write_text(world.ca())
    agent = start(small_object(), env={
        "SSLKEYLOGFILE": str(keys), "AWS_CA_BUNDLE": str(bundle),
        "AWS_ENDPOINT_URL_STS": world.listen(service="sts", tls="good"),
        "AWS_ENDPOINT_URL_DYNAMODB": world.listen(service="dynamodb", tls="good")})
    assert agent.rpc("count", trigger="small")["count"] == 7
    assert agent.stop() == 0
    assert not keys.exists()


@pytest.mark.parametrize("name", ["EXPAT_ACCOUNTING_DEBUG", "EXPAT_ENTITY_DEBUG",
                                  "EXPAT_ENTROPY_DEBUG", "GNUTLS_DEBUG_LEVEL", "CURL_DEBUG"])
def test_a_library_that_debugs_writes_no_reply_to_the_log(start, name):
    """STS returns keys, in XML."""
    agent = start(small_object(), env={name: "9"})
    assert agent.rpc("count", trigger="small")["count"] == 7
    assert agent.stop() == 0
    lines = agent.log().splitlines()
    assert lines and all(" event=" in line for line in lines), agent.log()


def test_what_chooses_trust_stays(start, world, tmp_path):
    """OPENSSL_CONF, which for example selects FIPS providers."""
    settings = tmp_path / "openssl.cnf"
    settings.write_text("openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n"
                        "[tls]\nMinProtocol = TLSv1.3\n")
    bundle = tmp_path / "ca.pem"
    bundle.write_text(world.ca())
    agent = start(small_object(), env={
        "OPENSSL_CONF": str(settings), "AWS_CA_BUNDLE": str(bundle),
        "AWS_ENDPOINT_URL_DYNAMODB": world.listen(service="dynamodb", tls="good")})
    assert agent.rpc("count", trigger="small")["count"] == 7


@pytest.mark.parametrize("name", ["MAX_STALE", "SOCKET", "CONFIG", "IMDS", "LOG_LEVEL", "ALLOW_UID",
                                  "MAX_BUFFER", "SOCKET_MODE", "SOCKET_GROUP", "LOG_FORMAT"])
def test_an_empty_variable_counts_as_unset(pod, name):
    agent = pod(small_object(), env={f"TALLY_{name}": ""})
    assert errors_of(agent) == (0, [])


@pytest.mark.parametrize("name, value", [
    ("IMDS", "True"), ("IMDS", "FALSE"), ("ALLOW_QUERY", "Yes"), ("LOG_LEVEL", "INFO"),
    ("LOG_LEVEL", "Warn"), ("LOG_FORMAT", "JSON")])
def test_words_are_taken_in_any_case(pod, name, value):
    agent = pod(small_object(), env={f"TALLY_{name}": value})
    assert errors_of(agent) == (0, [])


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_region_may_end_in_a_line_break(pod, name):
    """As when a file's content is put into a variable."""
    agent = pod(small_object(), env={"AWS_REGION": None, name: "eu-west-1\n"})
    assert errors_of(agent) == (0, [])
    agent.start()
    assert agent.rpc("count", trigger="small")["count"] == 7


@pytest.mark.parametrize("env, words", [
    ({"AWS_REGION": "eu west 1"}, 'AWS_REGION: "eu west 1" is'),
    ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "Ireland"}, 'AWS_DEFAULT_REGION: "Ireland" is'),
    ({"AWS_ENDPOINT_URL_STS": "http://sts.example.com"}, "AWS_ENDPOINT_URL_STS: "),
    ({"AWS_ENDPOINT_URL_DYNAMODB": "nonsense"}, "AWS_ENDPOINT_URL_DYNAMODB: "),
    ({"AWS_USE_FIPS_ENDPOINT": "true"}, "AWS_ENDPOINT_URL_DYNAMODB gives the endpoint"),
])
def test_a_finding_about_a_variable_names_it_once(pod, env, words):
    agent = pod(config=text(small_object(), scaled_object("other", trigger(), trigger(name="b"))),
                env=env)
    code, (error, ) = errors_of(agent)
    assert code == 2 and error.startswith("environment: error: " + words)
    assert os.path.basename(agent.config) not in error
