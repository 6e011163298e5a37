# SPDX-License-Identifier: Apache-2.0
"""tally doctor: each fault is reported at its step, with what to do."""

import json

from .yaml_files import scaled_object, small_object, trigger


def doctor(agent, *arguments, timeout="6s"):
    """The exit code, and the entries of the report."""
    code, out, err = agent.cli("-o", "json", "-t", timeout, "doctor", *arguments)
    assert err == "", err
    return code, json.loads(out)


def test_try(start, world):
    agent = start(small_object())
    print(agent.cli("doctor")[1])
    world.fault(service="dynamodb", action="Query", status=503)
    print(agent.cli("doctor", "small", "-t", "4s")[1])
    world.heal()
    world.fault(service="sts", status=503)
    agent = start(small_object())
    print(agent.cli("doctor", "-t", "4s")[1])
    print(agent.cli("doctor", "-t", "4s", "nothing")[1])
    print(agent.rpc("diagnose"))
    assert 0
