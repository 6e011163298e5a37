# SPDX-License-Identifier: Apache-2.0
"""A projected volume as kubelet creates it: files are symlinks through `..data`, which is replaced
atomically when the content changes."""

import os
import shutil
from datetime import datetime, timezone


class ProjectedVolume:
    def __init__(self, folder, mode=0o644):
        self.folder = folder
        self.mode = mode
        os.makedirs(folder, exist_ok=True)

    def write(self, **files):
        """Replaces the whole content."""
        stamp = datetime.now(timezone.utc).strftime("..%Y_%m_%d_%H_%M_%S.%f000")
        fresh = os.path.join(self.folder, stamp)
        os.mkdir(fresh)
        for name, text in files.items():
            path = os.path.join(fresh, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(path, self.mode)
        data = os.path.join(self.folder, "..data")
        old = os.path.realpath(data) if os.path.islink(data) else None
        os.symlink(stamp, data + "_tmp")
        os.rename(data + "_tmp", data)
        for name in files:
            link = os.path.join(self.folder, name)
            if not os.path.islink(link):
                os.symlink(os.path.join("..data", name), link)
        if old:
            shutil.rmtree(old)

    def clear(self):
        """The state in which the symlink dangles."""
        data = os.path.join(self.folder, "..data")
        old = os.path.realpath(data)
        os.unlink(data)
        shutil.rmtree(old, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)
