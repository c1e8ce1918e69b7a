"""Real Linux md, as a process: user-mode-linux booted on image files to run one script.

The guest's root is the host's own file tree, seen through hostfs, so a script reads and writes host
paths directly. What it prints goes to a console of its own and is not mixed with the kernel's log.
It needs no root, and any number of machines run side by side.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import string
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

MAX_IMAGES = 16
"""The ubd driver's limit: /dev/ubda to /dev/ubdp."""

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES = {
    "linux.uml": "user-mode-linux",
    "mdadm": "mdadm",
    "insmod": "kmod",
    "dmsetup": "dmsetup",
}
_COVERED = ("/dev", "/proc", "/run", "/sys")

_INIT = """\
#!/bin/bash
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
ln -s /proc/self/fd /dev/fd
modules=/usr/lib/uml/modules/$(uname -r)/kernel
for module in crypto/async_tx/{async_tx,async_memcpy,async_xor,async_pq,async_raid6_recov} \\
              drivers/md/{md-mod,raid456}; do
    insmod "$modules/$module.ko"
done
stty -opost </dev/tty1
cd "${0%/*}"
BASH_ENV=prelude bash script </dev/null >/dev/tty1 2>&1
echo $? >status
mdadm --stop --scan
sync
echo o >/proc/sysrq-trigger
sleep 60
"""

_PRELUDE = """\
set -eE -o pipefail
trap 'echo "line $LINENO: status $?: $BASH_COMMAND"' ERR
section() { echo "=== $*"; }
unset BASH_ENV
"""


class ScriptFailedError(Exception):
    """The script ended with a status other than 0, or the kernel died under it."""


def missing_packages() -> list[str]:
    """Name the Debian packages that booting real md needs and this machine lacks."""
    return [
        package for program, package in _PACKAGES.items() if not shutil.which(program, path=_PATH)
    ]


@dataclass(frozen=True)
class MdRun:
    """What one finished script left behind.

    Attributes:
        status: The script's exit status; None when the machine died before it ended.
        output: What the script printed, on standard output and standard error.
        console: The kernel's log and the init script's complaints.
    """

    status: int | None
    output: str
    console: str

    @cached_property
    def sections(self) -> dict[str, str]:
        """The output after each `section NAME` command of the script, by name."""
        _, *parts = re.split(r"^=== (.*)\n", self.output, flags=re.MULTILINE)
        return dict(zip(parts[::2], parts[1::2], strict=True))


class RealMd:
    """One machine, booted on `images` as /dev/ubda, /dev/ubdb ... and running `script` as root.

    The script is bash, stopped at the first command that fails; it has md loaded and one function
    of ours, `section NAME`. Arrays still running at its end are stopped. Files it opens may not lie
    on /dev/shm or under /run, which the guest's own mounts cover; images may, for the host opens
    those. Leaving the `with` block kills what still runs.

    Args:
        images: Up to 16 member images.
        script: What to run.
        mem: The machine's memory, as the kernel's command line takes it.
    """

    def __init__(self, images: Sequence[Path], script: str, *, mem: str = "512M") -> None:
        if len(images) > MAX_IMAGES:
            raise ValueError(f"{len(images)} images: user-mode-linux takes {MAX_IMAGES}")
        drives = [
            f"ubd{letter}={image.resolve(strict=True)}"
            for letter, image in zip(string.ascii_lowercase, images, strict=False)
        ]
        self._scratch = _make_scratch(script)
        # Every process of the machine holds the pipe's other end: it is readable once all are gone.
        self._all_gone, held = os.pipe()
        with (
            (self._scratch / "console").open("wb") as console,
            (self._scratch / "output").open("wb") as output,
        ):
            self._process = subprocess.Popen(
                [
                    shutil.which("linux.uml", path=_PATH) or "linux.uml",
                    *(f"mem={mem}", "rootfstype=hostfs", "rootflags=/", "rw"),
                    *(f"init={self._scratch}/init", *drives),
                    *("con=null", "con0=fd:0,fd:1", f"con1=null,fd:{output.fileno()}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                pass_fds=(output.fileno(), held),
                env={"HOME": str(self._scratch), "PATH": _PATH},
                start_new_session=True,
            )
        os.close(held)

    @classmethod
    def run(
        cls,
        images: Sequence[Path],
        script: str,
        *,
        timeout_s: float = 120,
        mem: str = "512M",
        check: bool = True,
    ) -> MdRun:
        """Boot, run `script` to its end, power off, and return what it printed.

        Raises:
            ScriptFailedError: The script failed, and `check` is set.
            TimeoutError: It did not end in time; the machine was killed.
        """
        with cls(images, script, mem=mem) as machine:
            run = machine.wait(timeout_s)
        if check and run.status != 0:
            raise ScriptFailedError(f"status {run.status}\n{_tails(run)}")
        return run

    @property
    def output(self) -> str:
        """What the script has printed up to now."""
        return self._text("output")

    def wait(self, timeout_s: float = 120) -> MdRun:
        """Wait until the machine has powered off.

        Raises:
            TimeoutError: It did not in time.
        """
        if not select.select([self._all_gone], [], [], timeout_s)[0]:
            raise TimeoutError(f"not ended after {timeout_s} s\n{_tails(self._result())}")
        return self._result()

    def wait_for(self, text: str, timeout_s: float = 120) -> None:
        """Wait until the script has printed `text`.

        Raises:
            ScriptFailedError: The machine ended without it.
            TimeoutError: It was not printed in time.
        """
        deadline_s = time.monotonic() + timeout_s
        while text not in self.output:
            gone = bool(select.select([self._all_gone], [], [], 0.005)[0])
            if text in self.output:
                return
            if gone:
                raise ScriptFailedError(f"ended without {text!r}\n{_tails(self._result())}")
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"no {text!r} in {timeout_s} s\n{_tails(self._result())}")

    def kill(self) -> None:
        """Cut the power: nothing is written any more when this returns."""
        if not select.select([self._all_gone], [], [], 0)[0]:
            os.killpg(self._process.pid, signal.SIGKILL)
            select.select([self._all_gone], [], [])
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        os.close(self._all_gone)
        shutil.rmtree(self._scratch)

    def _text(self, name: str) -> str:
        return (self._scratch / name).read_text(errors="replace")

    def _result(self) -> MdRun:
        status = self._text("status")
        return MdRun(int(status) if status else None, self._text("output"), self._text("console"))


def _make_scratch(script: str) -> Path:
    parent = Path(tempfile.gettempdir()).resolve()
    if any(parent.is_relative_to(mount) for mount in _COVERED):
        parent = Path("/var/tmp")  # noqa: S108  mkdtemp makes a private directory there
    scratch = Path(tempfile.mkdtemp(prefix="real-md-", dir=parent))
    (scratch / "script").write_text(script)
    (scratch / "prelude").write_text(_PRELUDE)
    (scratch / "init").write_text(_INIT)
    (scratch / "init").chmod(0o755)
    (scratch / "status").touch()
    return scratch


def _tails(run: MdRun, line_count: int = 40) -> str:
    return "\n".join(
        f"--- {name}\n" + "\n".join(text.splitlines()[-line_count:])
        for name, text in (("output", run.output), ("console", run.console))
    )
