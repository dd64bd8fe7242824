"""A private Debian 13 root for the servers that no wheel has: TimescaleDB and mosquitto.

Made once by mmdebstrap as root on Debian or Ubuntu, kept in the user's cache directory, used by every run after that.
Commands run in it in a mount namespace of their own, so nothing stays mounted on the host. The network is the host's.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.child import Child, dying_with_us, start
from tests.servers.unavailable import Unavailable

SUITE = "trixie"
PACKAGES = ("mosquitto", "mosquitto-clients", "postgresql-17-timescaledb")
TOOLS = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux", "setpriv": "util-linux"}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ENTER = """
root=$1; scratch=$2; shift 2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root$scratch"
mount --bind "$scratch" "$root$scratch"
exec chroot "$root" "$@"
"""
NAMESPACE = ("unshare", "--mount", "--ipc", "--propagation", "private", "--")


@dataclass(frozen=True, kw_only=True)
class Trixie:
    """A finished root at `path`."""

    path: Path

    def start(
        self, name: str, command: Sequence[str], *, user: str, scratch: Path, stop_signal: signal.Signals
    ) -> Child:
        """Start a server of the root as its own `user`; it sees `scratch` under the same path and logs into it."""
        as_user = (
            "setpriv",
            "--reuid",
            user,
            "--regid",
            user,
            "--init-groups",
            "--pdeathsig",
            stop_signal.name.removeprefix("SIG"),
            "--",
        )
        return start(
            name,
            [*self._enter(scratch), *as_user, *command],
            log=scratch / f"{name}.log",
            stop_signal=stop_signal,
            dies_with_us=False,
        )

    def run(self, command: Sequence[str], *, user: str, scratch: Path) -> None:
        """Run a command of the root to its end; RuntimeError with its output when it fails."""
        as_user = ("setpriv", "--reuid", user, "--regid", user, "--init-groups", "--")
        done = subprocess.run(
            [*self._enter(scratch), *as_user, *command],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} in {self.path} ended with code {done.returncode}:\n{done.stderr[-2000:]}")

    def give(self, path: Path, *, user: str) -> None:
        """Make `user` of the root the owner of a directory outside it."""
        entries = (line.split(":") for line in (self.path / "etc/passwd").read_text().splitlines())
        uid, gid = next((int(entry[2]), int(entry[3])) for entry in entries if entry[0] == user)
        os.chown(path, uid, gid)

    def _enter(self, scratch: Path) -> tuple[str, ...]:
        return (*NAMESPACE, "sh", "-eu", "-c", ENTER, "enter", str(self.path), str(scratch))


def obtain() -> Trixie:
    """The root, made now if this machine has none yet; `Unavailable` where it cannot be made."""
    root = _place()
    if not root.is_dir():
        _check_machine()
        root.parent.mkdir(parents=True, exist_ok=True)
        with (root.parent / f"{SUITE}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not root.is_dir():
                _make(root)
    if os.geteuid() != 0:
        raise Unavailable(f"{root} can only be entered by root; run the tests as root or start a Docker engine")
    entered = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True, check=False)
    if entered.returncode:
        raise Unavailable(f"this machine allows no mount namespace ({entered.stderr.strip()}); start a Docker engine")
    return Trixie(path=root)


def _place() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    contents = hashlib.sha256("\n".join((SUITE, *PACKAGES)).encode()).hexdigest()[:12]
    return cache / "fieldlab" / f"{SUITE}-{contents}"


def _check_machine() -> None:
    if sys.platform != "linux" or shutil.which("apt-get") is None:
        raise Unavailable("a private Debian root can only be made on Debian or Ubuntu; start a Docker engine")
    if os.geteuid() != 0:
        raise Unavailable(
            "a private Debian root can only be made as root; run the tests as root or start a Docker engine"
        )


def _make(root: Path) -> None:
    """Build beside `root` and rename at the end, so that a root without its last package is never used."""
    _install_tools()
    _sweep(root.parent)
    building = Path(tempfile.mkdtemp(prefix="making-", dir=root.parent))
    _say(f"making a private Debian {SUITE} root with {', '.join(PACKAGES)} (once, about a minute) in {root}")
    began = time.monotonic()
    command = [
        *dying_with_us(signal.SIGKILL),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", "--"),
        *("mmdebstrap", "--mode=root", "--variant=essential", f"--include={','.join(PACKAGES)}"),
        "--customize-hook=rm -rf $1/var/lib/postgresql/17 $1/usr/share/doc $1/usr/share/man $1/usr/share/locale",
        SUITE,
        str(building),
    ]
    made = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if made.returncode:
        _remove(building)
        raise Unavailable(f"mmdebstrap ended with code {made.returncode}:\n{made.stdout[-2000:]}")
    building.chmod(0o755)
    building.rename(root)
    _say(f"made {root} in {time.monotonic() - began:.0f} s")


def _install_tools() -> None:
    missing = {package for tool, package in TOOLS.items() if shutil.which(tool) is None}
    if not KEYRING.exists():
        missing.add("debian-archive-keyring")
    if not missing:
        return
    _say(f"installing {', '.join(sorted(missing))}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-qy", "--no-install-recommends", *sorted(missing)],
    ):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise Unavailable(f"{' '.join(command)} ended with code {done.returncode}:\n{done.stderr[-2000:]}")


def _sweep(cache: Path) -> None:
    """Remove half-made roots; called under the lock, so none of them is still being made."""
    for path in cache.glob("making-*"):
        _remove(path)


def _remove(root: Path) -> None:
    """Remove a half-made root, unless something is mounted in it: then what lies below is not ours."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    if not any(Path(point).is_relative_to(root) for point in mounted):
        shutil.rmtree(root, ignore_errors=True)


def _say(line: str) -> None:
    print(f"fieldlab tests: {line}", file=sys.__stderr__, flush=True)
