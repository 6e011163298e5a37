# SPDX-License-Identifier: Apache-2.0
"""Invalid input: one clear message that says what is wrong, where and what to do, and the right exit
code."""

import os

import pytest

from tests.gateway.local import free_port

from .yaml_files import scaled_object, small_object, trigger


def lines(stderr):
    return [line for line in stderr.splitlines() if line]


def test_a_missing_configuration_is_named(pod):
    agent = pod()
    missing = os.path.join(agent.folder, "nope.yaml")
    code, err = agent.run("--config", missing, "--socket", agent.socket)
    assert code == 2
    assert missing in err
    assert not os.path.exists(agent.socket)


@pytest.mark.parametrize("config, place", [
    ("kind: ScaledObject\n  bad: [\n", ":2:"),
    ("a: b: c\n", ":1:"),
    ("\tkind: x\n", ":1:"),
])
def test_broken_yaml_is_reported_with_line_and_column(pod, config, place):
    agent = pod(config=config)
    code, err = agent.run("--config", agent.config, "--socket", agent.socket)
    assert code == 2
    assert agent.config + place in err
    code, checked = agent.run("--check", "--config", agent.config)
    assert code == 2
    assert agent.config + place in checked or checked == ""


@pytest.mark.parametrize("metadata, word", [
    ({"targetValue": "many"}, "targetValue"),
    ({"targetValue": "0"}, "targetValue"),
    ({"tableName": ""}, "tableName"),
    ({"keyConditionExpression": " "}, "keyConditionExpression"),
    ({"awsRegion": ""}, "awsRegion"),
    ({"identityOwner": "Pod"}, "identityOwner"),
    ({"expressionAttributeValues": '{":v": {"N": 5}}'}, ":v"),
    ({"expressionAttributeValues": '{":v": '}, "expressionAttributeValues"),
    ({"expressionAttributeNames": '["#k"]'}, "expressionAttributeNames"),
])
def test_a_wrong_parameter_is_reported_with_its_place(pod, metadata, word):
    asked = trigger()
    asked["metadata"].update(metadata)
    agent = pod(scaled_object("it", asked))
    code, err = agent.run("--config", agent.config, "--socket", agent.socket)
    assert code == 2
    named = [line for line in lines(err) if word in line]
    assert named and any(agent.config + ":" in line for line in named)


def test_all_mistakes_are_reported_in_one_run(pod):
    agent = pod(scaled_object("a", trigger(targetValue="x")),
                scaled_object("b", trigger(identityOwner="y")))
    code, err = agent.run("--config", agent.config, "--socket", agent.socket)
    assert code == 2
    assert "targetValue" in err and "identityOwner" in err


def test_a_good_configuration_passes_the_check(pod):
    agent = pod(small_object())
    code, _ = agent.run("--check", "--config", agent.config)
    assert code == 0


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--socket-mode", "9"], ["surplus"]])
def test_bad_usage_exits_2(pod, arguments):
    agent = pod(small_object())
    code, err = agent.run("--config", agent.config, "--socket", agent.socket, *arguments)
    assert code == 2
    assert arguments[0].lstrip("-") in err


def test_an_unknown_trigger_names_those_there_are(start):
    agent = start(small_object())
    code, out, err = agent.cli("count", "smal")
    assert (code, out) == (1, "")
    assert err.startswith("tally: UNKNOWN_TRIGGER: ")
    assert "smal" in err and "shop/small" in err
    assert len(lines(err)) == 1


def test_an_ambiguous_trigger_names_the_candidates(start):
    agent = start(small_object(), scaled_object("small", trigger(), namespace="lab"))
    code, _, err = agent.cli("count", "small")
    assert code == 1
    assert "AMBIGUOUS_TRIGGER" in err and "shop/small" in err and "lab/small" in err
    assert agent.cli("count", "lab/small")[:2] == (0, "7\n")


def test_a_socket_path_that_is_too_long_is_reported(pod):
    agent = pod(small_object())
    path = os.path.join(agent.folder, "x" * 108)
    code, err = agent.run("--config", agent.config, "--socket", path)
    assert code in (1, 2)
    assert path[:60] in err and "107" in err


def test_a_socket_that_is_served_already_stays(start, pod):
    agent = start(small_object())
    code, err = agent.run("--config", agent.config, "--socket", agent.socket)
    assert code == 1
    assert agent.socket in err
    assert agent.cli("count", "small")[:2] == (0, "7\n")


def test_a_left_over_socket_is_replaced(start):
    agent = start(small_object())
    agent.kill()
    assert os.path.exists(agent.socket)
    agent.start()
    assert agent.cli("count", "small")[:2] == (0, "7\n")


def test_a_file_that_is_no_socket_is_left_alone(pod):
    agent = pod(small_object())
    with open(agent.socket, "w", encoding="utf-8") as file:
        file.write("precious")
    code, err = agent.run("--config", agent.config, "--socket", agent.socket)
    assert code in (1, 2)
    assert agent.socket in err
    with open(agent.socket, encoding="utf-8") as file:
        assert file.read() == "precious"


def test_a_socket_folder_that_is_missing_is_named(pod):
    agent = pod(small_object())
    path = os.path.join(agent.folder, "nope", "t.sock")
    code, err = agent.run("--config", agent.config, "--socket", path)
    assert code in (1, 2)
    assert os.path.dirname(path) in err


def test_no_agent_at_the_socket_exits_3(pod):
    agent = pod(small_object())
    code, out, err = agent.cli("count", "small")
    assert (code, out) == (3, "")
    assert agent.socket in err


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["count"], ["count", "a", "b"],
                                       ["count", "a", "--timeout", "soon"]])
def test_bad_usage_of_the_command_exits_2(pod, arguments):
    code, out, err = pod(small_object()).cli(*arguments)
    assert (code, out) == (2, "")
    assert err


@pytest.mark.parametrize("service", ["DYNAMODB", "STS"])
def test_an_endpoint_nobody_serves_is_named(start, service):
    url = f"http://127.0.0.1:{free_port()}"
    agent = start(small_object(), env={f"AWS_ENDPOINT_URL_{service}": url})
    code, out, err = agent.cli("count", "small", "--timeout", "3s")
    assert out == "" and code in (1, 4)
    assert "127.0.0.1" in err
    assert len(lines(err)) == 1


def test_half_an_identity_in_the_environment_is_an_error(start):
    agent = start(small_object(), env={"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"})
    code, out, err = agent.cli("count", "small")
    assert (code, out) == (1, "")
    assert "AWS_SECRET_ACCESS_KEY" in err


def test_no_identity_at_all_is_reported(start):
    agent = start(small_object(), env={"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None})
    code, out, err = agent.cli("count", "small")
    assert (code, out) == (1, "")
    assert "CREDENTIALS" in err
