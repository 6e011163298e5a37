# SPDX-License-Identifier: Apache-2.0
"""An arm64 machine: Debian's kernel in qemu-system-aarch64, with an initial RAM disk that a test
fills and a script in the place of init. What the script prints is on the console."""

import glob
import os
import re
import shutil
import subprocess

from tests.gateway.local import ROOT

SYSROOT = os.path.join(ROOT, ".deps/sysroot/arm64")  # the libraries
DEBIAN = os.path.join(ROOT, ".deps/machine/arm64")  # the kernel and busybox (tests/setup.sh machine)
TRIPLET = "aarch64-linux-gnu"
HOST = "10.0.2.2"  # where the machine that runs qemu, loopback included, is for a guest of it
SECONDS = 300  # qemu translates: five seconds become fifteen, and more on a busy machine

# In the order in which they depend on each other.
MODULES = ("virtio_ring", "virtio", "virtio_mmio", "failover", "net_failover", "virtio_net")

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /tmp /run
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in {modules}; do insmod /modules/$module.ko; done
date -s @{now} >/dev/null
ip addr add 127.0.0.1/8 dev lo; ip link set lo up
ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2
echo BEGIN
. /script
echo END
poweroff -f
"""


def needed(path):
    """The names of the shared libraries that a program loads first, its interpreter included."""
    said = subprocess.run([f"{TRIPLET}-readelf", "-W", "-l", "-d", path], check=True,
                          capture_output=True, text=True).stdout
    return (re.findall(r"\(NEEDED\).*\[(.*)\]", said) +
            re.findall(r"program interpreter: .*/(.*)\]", said))


def library(name):
    for folder in ("lib", "usr/lib"):
        path = os.path.join(SYSROOT, folder, TRIPLET, name)
        if os.path.exists(path):
            return path
    raise FileNotFoundError(f"{name} in {SYSROOT}; see make deps ARCH=arm64")


class Machine:
    def __init__(self, folder):
        self.folder = str(folder)
        self.root = os.path.join(self.folder, "root")
        os.mkdir(self.root)
        self.file("bin/busybox", os.path.join(DEBIAN, "bin/busybox"))
        self.kernel, = glob.glob(os.path.join(DEBIAN, "boot/vmlinuz-*"))
        for module in MODULES:
            found, = glob.glob(f"{DEBIAN}/lib/modules/*/kernel/**/{module}.ko", recursive=True)
            self.file(f"modules/{module}.ko", found)

    def file(self, name, source):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(source, path)

    def text(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def program(self, name, source):
        """With all libraries that it loads."""
        self.file(name, source)
        ahead = needed(source)
        while ahead:
            wanted = ahead.pop()
            place = f"lib/{wanted}"
            if not os.path.exists(os.path.join(self.root, place)):
                self.file(place, library(wanted))
                ahead += needed(library(wanted))

    def run(self, script, now):
        """Starts it at the time `now`, and waits until it is off; what the script printed."""
        self.text("script", script)
        self.text("init", INIT.format(modules=" ".join(MODULES), now=int(now)))
        os.chmod(os.path.join(self.root, "init"), 0o755)
        disk = os.path.join(self.folder, "disk")
        with open(disk, "wb") as file:
            subprocess.run("find . | cpio --quiet -o -H newc", shell=True, check=True,
                           cwd=self.root, stdout=file)
        done = subprocess.run(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "max,pauth-impdef=on", "-smp", "2",
             "-m", "512", "-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio",
             "-netdev", "user,id=net", "-device", "virtio-net-device,netdev=net",
             "-kernel", self.kernel, "-initrd", disk, "-append", "console=ttyAMA0 quiet panic=-1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=SECONDS, check=False)
        console = done.stdout.decode(errors="replace").replace("\r", "")
        found = re.search(r"^BEGIN\n(.*)^END$", console, re.MULTILINE | re.DOTALL)
        assert found, f"the script did not end:\n{console}"
        return found.group(1)
