# SPDX-License-Identifier: Apache-2.0
"""The exact content of the image that `make image` built."""

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile

import pytest

from tests.gateway.local import ROOT
from tests.integration.agent import BUILD

SBOM = "usr/share/doc/tally/sbom.spdx.json"
FILES = {"tallyd": 0o755, "tally-bridge": 0o755, "tally": 0o755, "etc/passwd": 0o644,
         "etc/ssl/certs/ca-certificates.crt": 0o644, SBOM: 0o644}
FOLDERS = {"etc", "etc/ssl", "etc/ssl/certs", "run", "run/tally", "usr", "usr/share", "usr/share/doc",
           "usr/share/doc/tally"}
USER = 65532
FLAVOUR = os.path.basename(BUILD)
# Debian's name of the architecture it is for, as the folder has it (make image ARCH=arm64).
ARCH = "arm64" if "arm64" in BUILD.split(os.sep) else subprocess.run(
    ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
# What is linked into tallyd, and into the command, which is the same in both flavours.
LINKED = {"bearssl": {"bearssl", "curl", "jansson", "libexpat1-dev", "libgcc", "libuv1", "libyaml",
                      "msgpack-c", "musl-dev"},
          "openssl": {"curl", "libbearssl-dev", "libc6-dev", "libexpat1-dev", "libgcc",
                      "libjansson-dev", "libmsgpack-dev", "libssl-dev", "libuv1-dev", "libyaml-dev"}}
COMMAND = {"jansson", "libgcc", "msgpack-c", "musl-dev"}
# Bytes: compressed, unpacked. A program for arm64 is a little larger.
LIMITS = {"bearssl": (1_150_000, 2_300_000), "openssl": (7_000_000, 7_500_000)}


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
    for name, (member, _) in members.items():
        owner = USER if name == "run/tally" else 0
        assert (member.uid, member.gid, member.mtime) == (owner, owner, 0), name
    # Where the agent listens without a volume; the group of a volume's is Kubernetes' (fsGroup).
    assert members["run/tally"][0].mode & 0o7777 == 0o755


def test_it_runs_as_nobody_special(config, members):
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == ["/tallyd"]
    assert members["etc/passwd"][1] == b"tally:x:65532:65532:tally:/:/bin/false\n"


def test_nothing_in_it_tells_when_or_where_it_was_built(config, members):
    assert config["created"] == "1970-01-01T00:00:00Z"
    for name in ("tallyd", "tally-bridge", "tally"):
        content = members[name][1]
        for place in (ROOT, os.path.expanduser("~/"), ".deps/"):
            assert place.encode() not in content, f"{place} in {name}"


@pytest.mark.parametrize("name", ["tallyd", "tally-bridge", "tally"])
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
    packed, unpacked = LIMITS[FLAVOUR]
    assert sum(layer["size"] for layer in manifest["layers"]) < packed
    assert sum(member.size for member, _ in members.values()) < unpacked


def test_its_inputs_are_named_with_versions():
    with open(os.path.join(BUILD, "inputs"), encoding="utf-8") as file:
        kinds = [line.split()[0] for line in file]
    assert {"deb", "dsc", "libgcc", "compiler"} == set(kinds)


def test_it_says_what_it_is_and_what_for(config):
    labels = {name.rpartition(".")[2]: value for name, value in config["config"]["Labels"].items()}
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+-" + FLAVOUR, labels["version"])
    with open(os.path.join(BUILD, "revision"), encoding="ascii") as file:
        assert labels["revision"] == file.read().strip()
    assert labels["licenses"] == "Apache-2.0"
    assert (config["os"], config["architecture"]) == ("linux", ARCH)


@pytest.fixture(scope="module", name="sbom")
def read_sbom(members):
    return json.loads(members[SBOM][1])


def test_its_bill_lists_each_file_with_its_checksum(sbom, members):
    listed = {entry["fileName"].removeprefix("./"): {kind["algorithm"]: kind["checksumValue"]
                                                     for kind in entry["checksums"]}
              for entry in sbom["files"]}
    assert set(listed) == set(FILES) - {SBOM}
    for name, sums in listed.items():
        content = members[name][1]
        assert sums == {"SHA1": hashlib.sha1(content).hexdigest(),
                        "SHA256": hashlib.sha256(content).hexdigest()}


def test_its_bill_lists_each_library_with_version_licence_and_checksum(sbom):
    with open(os.path.join(BUILD, "inputs"), encoding="utf-8") as file:
        known = {tuple(line.split()[1:]) for line in file}
    packages = {entry["SPDXID"]: entry for entry in sbom["packages"]}
    image = packages.pop("SPDXRef-image")
    assert image["primaryPackagePurpose"] == "CONTAINER"
    for entry in packages.values():
        checksum, = entry["checksums"]
        assert (entry["name"], entry["versionInfo"], checksum["checksumValue"]) in known
        assert re.fullmatch(r"[A-Za-z0-9.+ -]+", entry["licenseConcluded"])
    linked = {}
    for relation in sbom["relationships"]:
        ends = {relation["spdxElementId"], relation["relatedSpdxElement"]}
        assert all(end in packages or end in ("SPDXRef-image", "SPDXRef-DOCUMENT") or
                   end.startswith("SPDXRef-file-") for end in ends)
        if relation["relationshipType"] == "STATIC_LINK":
            entry = packages[relation["relatedSpdxElement"]]
            linked.setdefault(relation["spdxElementId"], set()).add(entry["name"])
            assert entry["name"] == "libgcc" or "opyright" in entry["attributionTexts"][0]
    assert linked == {"SPDXRef-file-tallyd": LINKED[FLAVOUR], "SPDXRef-file-tally": COMMAND,
                      "SPDXRef-file-tally-bridge": COMMAND | {"libuv1", "nghttp2"}}


def test_both_architectures_have_one_name():
    """What `make image-index` made of this image and the other one."""
    folder = os.path.join(ROOT, "build/image", f"{FLAVOUR}-index")
    with tarfile.open(os.path.join(folder, "image.tar")) as both:
        listed = json.load(both.extractfile("./index.json"))["manifests"]
        assert [entry["mediaType"] for entry in listed] == [
            "application/vnd.oci.image.index.v1+json"]
        images = json.loads(blob(both, listed[0]["digest"]))["manifests"]
        found = {entry["platform"]["architecture"]: entry["digest"] for entry in images}
        assert set(found) == {"amd64", "arm64"}
        for digest in found.values():
            for layer in json.loads(blob(both, digest))["layers"]:
                assert hashlib.sha256(blob(both, layer["digest"])).hexdigest() in layer["digest"]
    with open(os.path.join(BUILD, "digest"), encoding="ascii") as file:
        assert found[ARCH] == file.read().strip()
