# SPDX-License-Identifier: Apache-2.0
"""Builds the folders of deploy/kubernetes with kubectl."""

import functools
import glob
import json
import os
import subprocess

import yaml

from tests.gateway.local import ROOT

FOLDER = os.path.join(ROOT, "deploy/kubernetes")


def kubectl(*arguments):
    return subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False,
                          timeout=60)


def kubectl_minor():
    """Of version 1; kustomize is a part of it."""
    version = json.loads(kubectl("version", "--client", "-o", "json").stdout)["clientVersion"]
    return int(version["minor"].rstrip("+"))


HAS_COMPONENTS = kubectl_minor() >= 22


def folders():
    """Those that build something, and those of them with a component."""
    every, components = [], []
    for path in sorted(glob.glob(f"{FOLDER}/*/kustomization.yaml")):
        with open(path, encoding="utf-8") as file:
            kustomization = yaml.safe_load(file)
        name = os.path.basename(os.path.dirname(path))
        if "components" in kustomization:
            components.append(name)
        if kustomization["kind"] == "Kustomization":
            every.append(name)
    return every, components


ALL, COMPONENTS = folders()
FOLDERS = [name for name in ALL if HAS_COMPONENTS or name not in COMPONENTS]


@functools.lru_cache(maxsize=None)
def build_text(folder):
    done = kubectl("kustomize", folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def build(folder):
    """The documents of a kustomization."""
    return list(yaml.safe_load_all(build_text(folder)))
