#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The bill of materials of an image, as SPDX 2.3 JSON: each file, and each library that is linked
into it, with version, licence, checksum of Debian's package, and copyright text.

    sbom.py NAME VERSION REVISION ARCH ROOT SMALL DEPS >SBOM

ROOT is what the image holds. SMALL and DEPS are folders as libraries.sh leaves them: the command is
always linked with what is in SMALL. The same inputs give the same bytes. It fails where it knows no
licence of a library."""

import hashlib
import json
import os
import sys

# Debian's package or source ► SPDX licence, and what it is for: "link" (in a
# program), "data" (the CA bundle), "build" (needed to build, and no part of the image).
PACKAGES = {
    "bearssl": ("MIT", "link"), "libbearssl-dev": ("MIT", "link"),
    "ca-certificates": ("MPL-2.0", "data"),
    "curl": ("curl", "link"),
    "jansson": ("MIT", "link"), "libjansson-dev": ("MIT", "link"),
    "libc6-dev": ("LGPL-2.1-or-later", "link"), "musl-dev": ("MIT", "link"),
    "libcrypt-dev": ("LGPL-2.1-or-later", "build"),
    "libexpat1-dev": ("MIT", "link"),
    "libgcc": ("GPL-3.0-or-later WITH GCC-exception-3.1", "link"),
    "libseccomp": ("LGPL-2.1-only", "build"),
    "libssl-dev": ("Apache-2.0", "link"),
    "libuv1": ("MIT AND BSD-2-Clause AND BSD-3-Clause AND ISC", "link"),
    "libuv1-dev": ("MIT AND BSD-2-Clause AND BSD-3-Clause AND ISC", "link"),
    "libyaml": ("MIT", "link"), "libyaml-dev": ("MIT", "link"),
    "linux-libc-dev": ("GPL-2.0-only WITH Linux-syscall-note", "build"),
    "nghttp2": ("MIT", "link"),
    "msgpack-c": ("BSL-1.0", "link"), "libmsgpack-dev": ("BSL-1.0", "link"),
}
IN_COMMAND = {"musl-dev", "jansson", "msgpack-c", "libgcc"}
IN_BRIDGE = IN_COMMAND | {"libuv1", "nghttp2"}
BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def checksums(path, *names):
    with open(path, "rb") as file:
        content = file.read()
    return [{"algorithm": name, "checksumValue": hashlib.new(name, content).hexdigest()}
            for name in names]


def inputs(folder):
    """(kind, name, version, checksum) of each of Debian's packages; libgcc, which has none."""
    with open(os.path.join(folder, "inputs"), encoding="utf-8") as file:
        return [tuple(line.split()) for line in file]


def copyright_text(kind, name, folder):
    place = (f"debian/src/{name}/debian/copyright" if kind == "dsc"
             else f"debian/sysroot/usr/share/doc/{name}/copyright")
    path = os.path.join(folder, place)
    if kind == "libgcc":
        return {}
    with open(path, encoding="utf-8") as file:
        return {"attributionTexts": [file.read()]}


def package(kind, name, version, checksum, folder, arch):
    licence, use = PACKAGES[name]
    entry = {"SPDXID": f"SPDXRef-{kind}-{name}", "name": name, "versionInfo": version,
             "supplier": "Organization: Debian", "downloadLocation": "NOASSERTION",
             "filesAnalyzed": False, "licenseConcluded": licence, "licenseDeclared": licence,
             "copyrightText": "NOASSERTION",
             "checksums": [{"algorithm": "SHA256", "checksumValue": checksum}]}
    if kind != "libgcc":
        entry["externalRefs"] = [{
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
            "referenceLocator": f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}"
                                f"?arch={'source' if kind == 'dsc' else arch}&distro=bookworm"}]
    if use != "build":
        entry.update(copyright_text(kind, name, folder))
    return entry


def files(root):
    found = sorted(os.path.relpath(os.path.join(folder, name), root)
                   for folder, _, names in os.walk(root) for name in names)
    return [{"SPDXID": "SPDXRef-file-" + name.replace("/", "-"), "fileName": f"./{name}",
             "checksums": checksums(os.path.join(root, name), "SHA1", "SHA256"),
             "licenseConcluded": "NOASSERTION", "copyrightText": "NOASSERTION"} for name in found]


def related(one, kind, other):
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def relations(listed, packages, small):
    yield related("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image")
    for entry in listed:
        yield related("SPDXRef-image", "CONTAINS", entry["SPDXID"])
    for entry, folder in packages:
        name, use, this = entry["name"], PACKAGES[entry["name"]][1], entry["SPDXID"]
        if use == "build":
            yield related(this, "BUILD_DEPENDENCY_OF", "SPDXRef-image")
        elif use == "data":
            yield related("SPDXRef-file-" + BUNDLE.replace("/", "-"), "GENERATED_FROM", this)
        else:
            if folder != small or len({place for _, place in packages}) == 1:
                if name != "nghttp2":
                    yield related("SPDXRef-file-tallyd", "STATIC_LINK", this)
            if folder == small and name in IN_COMMAND:
                yield related("SPDXRef-file-tally", "STATIC_LINK", this)
            if folder == small and name in IN_BRIDGE:
                yield related("SPDXRef-file-tally-bridge", "STATIC_LINK", this)


def document(name, version, revision, arch, root, small, deps):
    # The small image's libraries are in all programs; of another's, tally and tally-bridge have their own.
    found = [(line, deps) for line in inputs(deps)]
    if small != deps:
        found += [(line, small) for line in inputs(small) if line[1] in IN_BRIDGE | {"libseccomp"}]
    packages = [(package(*line, folder, arch), folder) for line, folder in found]
    for entry, folder in packages:  # libgcc is in all programs
        if folder == small != deps:
            entry["SPDXID"] += "-command"
    listed = files(root)
    sums = sorted(entry["checksums"][0]["checksumValue"] for entry in listed)
    image = {"SPDXID": "SPDXRef-image", "name": name, "versionInfo": version,
             "downloadLocation": "NOASSERTION", "filesAnalyzed": True,
             "primaryPackagePurpose": "CONTAINER", "sourceInfo": f"revision {revision}",
             "packageVerificationCode": {"packageVerificationCodeValue":
                                         hashlib.sha1("".join(sums).encode()).hexdigest()},
             "hasFiles": [entry["SPDXID"] for entry in listed],
             "licenseConcluded": "NOASSERTION", "licenseDeclared": "Apache-2.0",
             "licenseInfoFromFiles": ["NOASSERTION"], "copyrightText": "NOASSERTION"}
    said = {"packages": [image, *(entry for entry, _ in packages)], "files": listed,
            "relationships": list(relations(listed, packages, small))}
    digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
            "name": f"{name}-{version}-{arch}",
            "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{version}-{arch}-{digest}",
            # The image's own time, so that the same inputs give the same bytes.
            "creationInfo": {"created": "1970-01-01T00:00:00Z",
                             "creators": ["Tool: tally-deploy-image-sbom"]},
            **said}


if __name__ == "__main__":
    json.dump(document(*sys.argv[1:]), sys.stdout, indent=1, ensure_ascii=False)
    print()
