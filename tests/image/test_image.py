# SPDX-License-Identifier: Apache-2.0
"""The exact content of the image that `make image` built."""

import io
import json
import os
import re
import subprocess
import tarfile

import pytest

from tests.gateway.local import ROOT
from tests.integration.agent import BUILD

FILES = {"tallyd": 0o755, "tally": 0o755, "etc/passwd": 0o644,
         "etc/ssl/certs/ca-certificates.crt": 0o644}
FOLDERS = {"etc", "etc/ssl", "etc/ssl/certs"}
# Bytes: compressed, unpacked.
LIMITS = {"bearssl": (1_000_000, 1_500_000), "openssl": (7_000_000, 7_000_000)}


@pytest.fixture(scope="module")
def image():
    return tarfile.open(os.path.join(BUILD, "image.tar"))


def blob(image, digest):
    return image.extractfile(f"./blobs/{digest.replace(':', '/')}").read()


@pytest.fixture(scope="module")
def manifest(image):
    index = json.load(image.extractfile("./index.json"))
    return json.loads(blob(image, index["manifests"][0]["digest"]))


@pytest.fixture(scope="module")
def config(image, manifest):
    return json.loads(blob(image, manifest["config"]["digest"]))


@pytest.fixture(scope="module")
def members(image, manifest):
    layer, = manifest["layers"]
    with tarfile.open(fileobj=io.BytesIO(blob(image, layer["digest"]))) as tar:
        return {member.name.strip("/"): (member, tar.extractfile(member).read()
                                         if member.isfile() else b"") for member in tar}


def test_it_holds_the_programs_the_bundle_and_a_user(members):
    files = {name: member.mode & 0o7777 for name, (member, _) in members.items() if member.isfile()}
    assert files == FILES
    assert set(members) - set(files) == FOLDERS
    for member, _ in members.values():
        assert (member.uid, member.gid, member.mtime) == (0, 0, 0), member.name


def test_it_runs_as_nobody_special(config, members):
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == ["/tallyd"]
    assert members["etc/passwd"][1] == b"tally:x:65532:65532:tally:/:/bin/false\n"


def test_nothing_in_it_tells_when_or_where_it_was_built(config, members):
    assert config["created"] == "1970-01-01T00:00:00Z"
    for name in ("tallyd", "tally"):
        content = members[name][1]
        for place in (ROOT, os.path.expanduser("~/"), ".deps/"):
            assert place.encode() not in content, f"{place} in {name}"


@pytest.mark.parametrize("name", ["tallyd", "tally"])
def test_the_programs_are_static_position_independent_and_hardened(name):
    path = os.path.join(BUILD, "root", name)
    head, parts, dynamic = (subprocess.run(
        ["readelf", "-W", option, path], check=True, capture_output=True, text=True).stdout
        for option in ("-h", "-l", "-d"))
    assert "DYN (Position-Independent Executable file)" in head
    assert "INTERP" not in parts
    assert "NEEDED" not in dynamic
    assert "GNU_RELRO" in parts and "BIND_NOW" in dynamic
    assert re.search(r"GNU_STACK.* RW ", parts)


def test_the_bundle_is_debians_own(members):
    bundle = members["etc/ssl/certs/ca-certificates.crt"][1]
    assert bundle.count(b"BEGIN CERTIFICATE") > 100
    assert b"Amazon" in subprocess.run(
        ["openssl", "storeutl", "-noout", "-text", "-certs", "/dev/stdin"],
        input=bundle, capture_output=True, check=True).stdout


def test_it_is_as_small_as_it_should_be(manifest, members):
    packed, unpacked = LIMITS[os.path.basename(BUILD)]
    assert sum(layer["size"] for layer in manifest["layers"]) < packed
    assert sum(member.size for member, _ in members.values()) < unpacked


def test_its_inputs_are_named_with_versions(config):
    with open(os.path.join(BUILD, "inputs"), encoding="utf-8") as file:
        kinds = [line.split()[0] for line in file]
    assert {"deb", "dsc", "compiler"} == set(kinds)
    assert config["config"]["Labels"]["org.opencontainers.image.version"].endswith(
        os.path.basename(BUILD))
