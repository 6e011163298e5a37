# SPDX-License-Identifier: Apache-2.0
"""Secrets that are no longer needed are not in memory: root searches the process after its credentials
were replaced."""

import re

import pytest

from tests.gateway.world import ROLE

from . import process_facts
from .yaml_files import small_object

TLS_BUFFER = 16384 + 2048 + 512  # a TLS record with its overhead
NO_WEB_IDENTITY = {"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None}


def memory(pid):
    """All writable memory of the process."""
    found = b""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in maps:
            start, end = (int(part, 16) for part in re.match(r"(\w+)-(\w+) ", line).groups())
            if line.split()[1].startswith("rw"):
                file.seek(start)
                found += file.read(end - start)
    return found


def present(pieces, image):
    return {piece for piece in pieces if piece.encode() in image}


def recount(agent):
    result = agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=20_000)
    agent.rpc("ping")  # the answer is sent just before the request to AWS is freed
    return result["count"]


def replace(agent, world):
    """Makes the agent get new credentials with a new token; returns the old secrets and the new."""
    assert recount(agent) == 7
    old = set(world.secrets())
    assert present(old, memory(agent.child.pid)), "what is in use is not found: no test"
    for _ in range(2):  # so that the replaced one is not the last one used
        agent.mount.write(token=world.token())
        if "AWS_CONTAINER_CREDENTIALS_FULL_URI" in agent.env:
            agent.mount.write(token=world.pod_token())
        world.expire()
        assert recount(agent) == 7
    return old, set(world.secrets()) - old


def show(pieces, image):
    """Their positions with the surrounding bytes, to find the reason."""
    lines = []
    for piece in sorted(pieces)[:5]:
        at = image.find(piece.encode())
        lines.append(f"{at:#x}: {bytes(image[max(at - 60, 0):at])!r}")
    return "\n".join(lines)


def container(world):
    return {**NO_WEB_IDENTITY,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + "/v1/credentials"}


def metadata(world):
    world.metadata(role=ROLE)
    return {**NO_WEB_IDENTITY, "AWS_EC2_METADATA_SERVICE_ENDPOINT": world.urls["imds"]}


def by_tls(world):
    """OpenSSL decrypts a record in its read buffer, where it stays until a longer record of that
    connection overwrites it. This depends on timing, so it is measured separately below."""
    return {"AWS_ENDPOINT_URL_STS": world.listen(service="sts", tls="good"),
            "AWS_ENDPOINT_URL_DYNAMODB": world.listen(service="dynamodb", tls="good")}


SOURCES = {"web identity": (lambda world: {}, []), "by TLS": (by_tls, []),
           "container": (container, []), "imds": (metadata, ["--imds"])}
OURS = [source for source in SOURCES if source != "by TLS"]


def begin(pod, world, source, tmp_path):
    """An agent with credentials of this source, or None if a sanitizer keeps freed memory."""
    env, options = SOURCES[source]
    agent = pod(small_object(), env=env(world), options=options)
    if source == "container":
        agent.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = agent.mount.path("token")
        agent.mount.write(token=world.pod_token())
    if source == "by TLS":
        agent.env["AWS_CA_BUNDLE"] = str(tmp_path / "ca.pem")
        (tmp_path / "ca.pem").write_text(world.ca())
    agent.start()
    return None if process_facts.is_sanitized(agent.child.pid) else agent


@pytest.mark.parametrize("source", OURS)
def test_replaced_secrets_are_gone(pod, world, source, tmp_path):
    agent = begin(pod, world, source, tmp_path)
    if agent is None:
        return
    old, new = replace(agent, world)
    image = memory(agent.child.pid)
    assert present(new, image)
    left = present(old, image)
    assert not left, f"{len(left)} of {len(old)} pieces are left:\n{show(left, image)}"


@pytest.mark.parametrize("source", OURS)
def test_what_is_in_use_is_there_once(pod, world, source, tmp_path):
    """No buffer keeps a copy, and nothing remains of the tokens, which are needed only once."""
    agent = begin(pod, world, source, tmp_path)
    if agent is None:
        return
    assert recount(agent) == 7
    with open(agent.mount.path("token"), encoding="ascii") as file:
        token = file.read()
    pieces = set(world.secrets())
    image = memory(agent.child.pid)
    tokens = {piece for piece in pieces if piece in token}
    assert tokens and not present(tokens, image), show(present(tokens, image), image)
    copies = {piece: image.count(piece.encode()) for piece in pieces}
    assert max(copies.values()) >= 1
    # The last hashed block may stay on unused stack until the next one is hashed.
    twice = {piece for piece, number in copies.items() if number > 1}
    assert len(twice) <= 6, f"{len(twice)} of {len(pieces)} pieces:\n{show(twice, image)}"


def places(pieces, image):
    """The positions of each piece in the memory image."""
    return sorted(match.start() for piece in pieces
                  for match in re.finditer(re.escape(piece.encode()), image))


def test_what_openssl_keeps_is_in_one_buffer_of_each_connection(pod, world, tmp_path):
    """The agent cannot wipe it, but tallyd(8) documents it. The amount depends on the arrival of the
    records: two in one read are adjacent, and the second stays if the next reply arrives in two
    reads."""
    agent = begin(pod, world, "by TLS", tmp_path)
    if agent is None:
        return
    for _ in range(3):
        old, new = replace(agent, world)
        image = memory(agent.child.pid)
        assert present(new, image)
        found = places(old, image)
        buffers = len([at for at, before in zip(found, [-TLS_BUFFER, *found])
                       if at - before >= TLS_BUFFER])
        print(f"of {len(old)} pieces that were replaced, {len(found)} are in {buffers} buffers")
        assert buffers <= 2, show(present(old, image), image)
        assert len(found) < len(old)
