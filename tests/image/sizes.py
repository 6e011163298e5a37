#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures sizes and memory of each build side by side: the two images and the build with Debian's
shared libraries.

    tests/image/sizes.py [COUNTS]

Each agent gets credentials from STS and counts a thousand times (or COUNTS), all over TLS against
the gateway, with Debian's whole CA bundle and the gateway's own CA. Run by hand or at the end of
tests/image/run.sh; it fails if an image is larger than its limit."""

import json
import os
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
# pylint: disable=wrong-import-position
from tests.gateway.client import temporary_gateway  # noqa: E402
from tests.gateway.local import ROOT  # noqa: E402
from tests.gateway.tables import ORDERS  # noqa: E402
from tests.integration import agent as agents  # noqa: E402
from tests.integration.yaml_files import small_object  # noqa: E402

BUILDS = {"Debian's libraries": "build", "TLS=openssl": "build/image/openssl",
          "TLS=bearssl": "build/image/bearssl"}
# What an image may take: compressed, unpacked, resident after a thousand counts; bytes.
LIMITS = {"TLS=bearssl": (1_100_000, 2_100_000, 1_500_000),
          "TLS=openssl": (7_000_000, 7_500_000, 8_000_000)}
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def image_sizes(build):
    """Compressed and unpacked, without the archive around them."""
    with tarfile.open(os.path.join(build, "image.tar")) as image:
        index = json.load(image.extractfile("./index.json"))
        path = index["manifests"][0]["digest"].replace(":", "/")
        manifest = json.load(image.extractfile(f"./blobs/{path}"))
    root = os.path.join(build, "root")
    unpacked = sum(os.path.getsize(os.path.join(folder, name))
                   for folder, _, names in os.walk(root) for name in names)
    return sum(layer["size"] for layer in manifest["layers"]), unpacked


def installed_sizes(build):
    """The programs, stripped, with all the libraries that they load."""
    total, libraries = 0, set()
    for name in ("tallyd", "tally-bridge", "tally"):
        path = os.path.join(build, name)
        with tempfile.NamedTemporaryFile() as stripped:
            subprocess.run(["strip", "-o", stripped.name, path], check=True)
            total += os.path.getsize(stripped.name)
        listed = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
        libraries |= {os.path.realpath(word) for word in listed.split() if word.startswith("/")}
    return None, total + sum(map(os.path.getsize, libraries)) + os.path.getsize(BUNDLE)


def memory(pid):
    """Resident memory, and the written part of it, which no other process can share. In bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        written = sum(int(line.split()[1]) for line in file if line.startswith("Private_Dirty"))
    return int(status["VmRSS"].split()[0]) * 1024, written * 1024


def processor_ms(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def measure(gateway, build, counts):
    agents.TALLYD = os.path.join(build, "tallyd")
    agents.TALLY = os.path.join(build, "tally")
    world = gateway.world()
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as bundle:
        with open(BUNDLE, encoding="ascii") as system:
            bundle.write(system.read() + world.ca())
        bundle.flush()
        agent = agents.Agent(world, small_object(), env={
            "AWS_CA_BUNDLE": bundle.name,
            "AWS_ENDPOINT_URL_STS": world.listen(service="sts", tls="good"),
            "AWS_ENDPOINT_URL_DYNAMODB": world.listen(service="dynamodb", tls="good")}).start()
        result = {"start": memory(agent.child.pid)}
        with agent.connect() as connection:
            for number in range(counts):
                answer = connection.call("count", trigger="small", max_age_ms=0, timeout_ms=20_000)
                assert (answer["count"], answer["quality"]) == (7, "exact"), answer
                if number == 0:
                    result["first"] = memory(agent.child.pid)
                    used = processor_ms(agent.child.pid)
        result["last"] = memory(agent.child.pid)
        result["processor"] = (processor_ms(agent.child.pid) - used) / max(1, counts - 1)
        agent.finish()
    world.close()
    return result


def row(name, *cells):
    print(f"{name:<20}" + "".join(f"{cell:>12}" for cell in cells))


def mb(size):
    return "-" if size is None else f"{size / 1e6:.2f} MB"


def main():
    os.chdir(ROOT)
    counts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    too_large = []
    with temporary_gateway(ORDERS) as (gateway, tables):
        tables.fill_orders("small", 7)
        row("", "compressed", "unpacked", "RSS start", "RSS 1", f"RSS {counts}", "written",
            "CPU/count")
        for name, build in BUILDS.items():
            in_image = name in LIMITS
            sizes = (image_sizes if in_image else installed_sizes)(build)
            taken = measure(gateway, os.path.join(ROOT, build), counts)
            row(name, *map(mb, sizes), mb(taken["start"][0]), mb(taken["first"][0]),
                mb(taken["last"][0]), mb(taken["last"][1]), f"{taken['processor']:.2f} ms")
            reached = (*sizes, taken["last"][0])
            if in_image and any(size >= limit for size, limit in zip(reached, LIMITS[name])):
                too_large.append(name)
    for name in too_large:
        print(f"{name} is larger than {', '.join(map(mb, LIMITS[name]))}", file=sys.stderr)
    return 1 if too_large else 0


if __name__ == "__main__":
    sys.exit(main())
