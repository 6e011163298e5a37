# SPDX-License-Identifier: Apache-2.0
"""proto/vectors/invalid/ sent to the agent: each is handled as its file says."""

import re
from pathlib import Path

import msgpack

from .yaml_files import small_object

VECTORS = sorted((Path(__file__).resolve().parents[2] / "proto/vectors/invalid").iterdir())


def read_vector(path):
    """The bytes, and the agent's reaction according to `# expect:`."""
    text = path.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return bytes.fromhex(" ".join(lines)), re.search(r"^# expect: (.*)$", text, re.MULTILINE)[1]


def reaction(agent, data):
    """The first answer."""
    with agent.raw() as connection:
        connection.sendall(data)
        try:
            answer = connection.recv(65536)
        except ConnectionResetError:
            answer = b""
    if not answer:
        return "closed"
    kind, msgid, error, _ = msgpack.unpackb(answer)
    assert kind == 1
    return f"error {msgid} {error['name']}" if error else f"answer {msgid}"


def test_agent_handles_each_invalid_vector_as_it_says(start):
    ping = msgpack.packb([0, 99, "ping", []])
    agent = start(small_object())
    found, expected = {}, {}
    for path in VECTORS:
        data, expect = read_vector(path)
        if expect == "unfinished":
            continue
        expected[path.name] = {"refused": "closed", "no message": "closed",
                               "nothing": "answer 99"}.get(expect, expect)
        # If the bytes get no answer, the answer to a following ping is the first.
        found[path.name] = reaction(agent, data + ping if expect == "nothing" else data)
    assert len(found) > 30
    assert found == expected


def test_agent_waits_for_the_rest_of_a_request(start):
    whole = msgpack.packb([0, 99, "ping", []])
    agent = start(small_object())
    with agent.raw() as connection:
        for byte in whole[:-1]:
            connection.sendall(bytes([byte]))
        connection.settimeout(0.2)
        try:
            early = connection.recv(1)
        except TimeoutError:
            early = None
        assert early is None
        connection.settimeout(30)
        connection.sendall(whole[-1:])
        assert msgpack.unpackb(connection.recv(65536))[:3] == [1, 99, None]
