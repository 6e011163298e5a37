# SPDX-License-Identifier: Apache-2.0
"""Go programs with Debian's packages, which lie in one folder and know no modules."""

import os


def go_environment(folder):
    """For the go command. `folder` keeps what it compiles."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "GOPATH": "/usr/share/gocode",
            "GO111MODULE": "off"}
