#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Named kubectl by the test: `exec` runs this machine's tally with the socket of the pod, all else is the
real kubectl with the test's API server. Its environment: REAL_KUBECTL, SERVER, LOG, SOCKETS, TALLY."""

import json
import os
import subprocess
import sys

if "exec" not in sys.argv:
    os.execv(os.environ["REAL_KUBECTL"], ["kubectl", "--server", os.environ["SERVER"], *sys.argv[1:]])
with open(os.environ["LOG"], "a", encoding="utf-8") as log:
    print(json.dumps(sys.argv[1:]), file=log)
at = sys.argv.index("exec")
command = sys.argv.index("--")
pod = next(word for word in sys.argv[at + 1:] if not word.startswith("-"))
socket = json.loads(os.environ["SOCKETS"])[pod]
assert sys.argv[command + 1] == "/tally"
code = subprocess.run([os.environ["TALLY"], *sys.argv[command + 2:]], check=False,
                      env={"TALLY_SOCKET": socket}).returncode
if code != 0:
    print(f"command terminated with exit code {code}", file=sys.stderr)
sys.exit(code)
