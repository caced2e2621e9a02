"""The image of the Dockerfile without a container daemon: its instructions, carried out in a chroot as root.

The base is a folder made by debootstrap from the distribution that `FROM` names. Only the instructions and options that
our Dockerfile uses are known; any other is an error.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

# What reaches package registries from here; builders pass such things as build arguments.
_PASSED_ON = re.compile(r"(PIP|UV|SSL)_|(https?|no)_proxy$", re.IGNORECASE)


class Image:
    """The file system and the settings of the last stage."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.user = self.workdir = self.stop_signal = ""
        self.volumes: list[str] = []
        self.healthcheck: list[str] = []
        self.entrypoint: list[str] = []
        self.command: list[str] = []


def build_image(dockerfile: Path, base: Path, folder: Path) -> Image:
    """Carry out all stages below `folder`, each beginning with a copy of `base`."""
    stages: dict[str, Image] = {}
    image = Image(base)
    for word, rest in _instructions(dockerfile):
        options = dict(re.findall(r"--([\w-]+)=(\S+)", rest.split("CMD")[0]))
        arguments = re.sub(r"^(--[\w-]+=\S+\s+)+", "", rest)
        match word:
            case "ARG" | "EXPOSE":
                pass
            case "FROM":
                image = Image(folder / f"stage{len(stages)}")
                subprocess.run(["cp", "-a", base, image.root], check=True)
                stages[rest.split()[-1] if " AS " in rest else "last"] = image
            case "COPY":
                source, target = arguments.split()
                context = stages[options["from"]].root if "from" in options else dockerfile.parent
                _copy(context, source.lstrip("/"), image.root / target.lstrip("/"), filtered="from" not in options)
            case "RUN":
                _run(image, arguments, options.get("mount", ""), dockerfile.parent)
            case _:
                _set(image, word, arguments)
    return image


def _run(image: Image, command: str, mount: str, context: Path) -> None:
    with _mounted(mount, context, image.root):
        env = {name: value for name, value in os.environ.items() if _PASSED_ON.match(name)}
        env |= {"DEBIAN_FRONTEND": "noninteractive", **_certificates(image.root), **image.env}
        subprocess.run(["chroot", image.root, "/bin/sh", "-c", command], check=True, env=env)


def _set(image: Image, word: str, value: str) -> None:
    match word:
        case "ENV":
            image.env |= dict(pair.split("=", 1) for pair in shlex.split(value))
        case "HEALTHCHECK":
            image.healthcheck = json.loads(value.removeprefix("CMD "))
        case "ENTRYPOINT":
            image.entrypoint = json.loads(value)
        case "CMD":
            image.command = json.loads(value)
        case "VOLUME":
            image.volumes.append(value)
        case "USER":
            image.user = value
        case "WORKDIR":
            image.workdir = value
        case "STOPSIGNAL":
            image.stop_signal = value
        case _:
            raise NotImplementedError(f"{word} {value}")


def _instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    lines = [line for line in dockerfile.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, rest = line.partition(" ")
        yield word, rest


def _copy(context: Path, source: str, target: Path, *, filtered: bool) -> None:
    """What `.dockerignore` lets through: it excludes everything and names what comes along."""
    if not filtered:
        subprocess.run(["cp", "-a", context / source, target], check=True)
        return
    assert source == "."
    lines = [line for line in (context / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    for name in (line[1:] for line in lines if line.startswith("!")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (context / name).is_dir():
            shutil.copytree(context / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(context / name, target / name)


def _certificates(root: Path) -> dict[str, str]:
    """Of registries that have an authority of their own."""
    given = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if not given:
        return {}
    shutil.copy(given, root / "run/authorities.pem")
    return dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE"), "/run/authorities.pem")


@contextmanager
def _mounted(option: str, context: Path, root: Path) -> Iterator[None]:
    """`--mount=type=bind,source=…,target=…`, and what every step of a build has: devices, processes, names."""
    binds = [(Path("/proc"), root / "proc"), (Path("/dev"), root / "dev")]
    if option:
        given = dict(part.split("=", 1) for part in option.split(","))
        assert given["type"] == "bind"
        binds.append((context / given["source"], root / given["target"].lstrip("/")))
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    mounted: list[Path] = []
    try:
        for source, target in binds:
            subprocess.run(["mount", "--bind", source, target], check=True)
            mounted.append(target)
        yield
    finally:
        for target in reversed(mounted):
            subprocess.run(["umount", target], check=True)


# Arguments: the root, the user, the working directory, what is mounted as pairs of paths up to `--`, the command. The
# shell is process 1 of its namespace until it has become the command.
_ENTER = """
set -eu
root=$1 user=$2 workdir=$3; shift 3
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
  mount --bind "$1" "$root$2"
  shift 2
done
shift
mount -t tmpfs -o mode=1777,size=256m,nosuid,nodev,noexec tmpfs "$root/tmp"
mount -t tmpfs -o mode=755,size=64k tmpfs "$root/dev"
for name in null zero full random urandom; do
  touch "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir -m 1777 "$root/dev/shm"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -o remount,bind,ro "$root"
exec /usr/sbin/chroot "$root" setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups \\
  --no-new-privs --bounding-set=-all --inh-caps=-all /bin/sh -c 'cd "$0"; exec "$@"' "$workdir" "$@"
"""


class Container:
    """The image, run as its Dockerfile says and as compose.yaml asks: read-only, without any capability.

    It shares the network of this machine; the port comes by `env`. `mounts` are files and folders besides the volume.
    """

    def __init__(
        self,
        image: Image,
        volume: Path,
        env: dict[str, str],
        command: Sequence[str] = (),
        mounts: Mapping[str, Path] | None = None,
    ) -> None:
        self._image = image
        self.env = {**image.env, **env}
        uid, gid = map(int, image.user.split(":"))
        volume.mkdir(mode=0o700)
        os.chown(volume, uid, gid)
        program = [*image.entrypoint, *(command or image.command)]
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        pairs = [(volume, "/data"), *((source, target) for target, source in (mounts or {}).items())]
        for source, target in pairs:
            _make_mount_point(source, image.root / target.lstrip("/"))
        mounted = [part for source, target in pairs for part in (source, target)]
        enter = ["/bin/sh", "-c", _ENTER, "enter", image.root, image.user, image.workdir, *mounted, "--"]
        self.process = subprocess.Popen([*unshare, *map(str, enter), *program], env=self.env)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # and with it everything inside
        self.process.wait(60)

    @property
    def first_pid(self) -> int:
        """Process 1 of the container, by its number on this machine; 0 until it has started the program."""
        assert self.process.poll() is None, "the container ended"
        first = _first_child(self.process.pid)
        is_entered = first and Path(f"/proc/{first}/cmdline").read_bytes().startswith(
            self._image.entrypoint[0].encode()
        )
        return first if is_entered and _first_child(first) else 0

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command inside, as the user of the image."""
        uid, gid = self._image.user.split(":")
        enter = ["nsenter", "--target", str(self.first_pid), "--mount", "--pid", "--root", "--wd"]
        inside = [*enter, f"--setuid={uid}", f"--setgid={gid}", *command]
        return subprocess.run(inside, env=self.env, capture_output=True, text=True, timeout=60)

    def stop(self) -> int:
        """What a daemon does: the stop signal to process 1, then wait."""
        os.kill(self.first_pid, getattr(signal, self._image.stop_signal))
        return self.process.wait(60)


def _make_mount_point(source: Path, target: Path) -> None:
    """As a daemon does, where the image has none."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()


def _first_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else 0
