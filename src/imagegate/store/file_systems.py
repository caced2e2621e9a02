"""On which file system a path lies, and whether SQLite can keep its promises there.

The locks of a network file system may hold on one machine only, a flush may end before the server's disk has the bytes,
and the write-ahead log needs memory that processes share.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import msgspec

_MOUNTS = Path("/proc/self/mountinfo")
# Names of the kernel; behind `fuse.` the name of the program that mounts.
_NETWORK = frozenset(
    [
        "9p",
        "acfs",
        "afpfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "davfs2",
        "fhgfs",
        "glusterfs",
        "gpfs",
        "lizardfs",
        "lustre",
        "mfs",
        "ncpfs",
        "nfs",
        "nfs4",
        "orangefs",
        "panfs",
        "prl_fs",
        "pvfs2",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "wekafs",
    ]
)
_NETWORK_PROGRAMS = _NETWORK | frozenset(
    [
        "afp",
        "alluxio",
        "blobfuse",
        "blobfuse2",
        "ceph-fuse",
        "curlftpfs",
        "gcsfuse",
        "geesefs",
        "goofys",
        "grpcfuse",
        "juicefs",
        "moosefs",
        "mount-s3",
        "mountpoint-s3",
        "rclone",
        "s3fs",
        "seaweedfs",
        "sshfs",
        "vmhgfs-fuse",
    ]
)


class Mount(msgspec.Struct, frozen=True):
    folder: str
    type: str
    source: str

    @property
    def is_network(self) -> bool:
        kind, _, program = self.type.partition(".")
        return program in _NETWORK_PROGRAMS if kind in ("fuse", "fuseblk") and program else kind in _NETWORK


def find_network_mount(path: Path) -> Mount | None:
    """The mount on which the path lies, or will lie, where that is a network file system.

    None too where the kernel does not tell.
    """
    try:
        mounts = parse_mounts(_MOUNTS.read_text("utf-8", "surrogateescape"))
    except OSError:
        return None
    mount = find_mount(mounts, path.resolve())
    return mount if mount is not None and mount.is_network else None


def parse_mounts(text: str) -> list[Mount]:
    """The lines of `/proc/self/mountinfo`, in their order. Lines of another form are left out."""
    found = []
    for line in text.splitlines():
        fields, separator, rest = line.partition(" - ")
        before, after = fields.split(" "), rest.split(" ")
        if separator and len(before) > 4 and len(after) > 1:
            found.append(Mount(_unescape(before[4]), after[0], _unescape(after[1])))
    return found


def find_mount(mounts: list[Mount], path: Path) -> Mount | None:
    """The deepest mount that holds the path; of several at one folder the last one, which hides the others."""
    found = None
    for mount in mounts:
        if path.is_relative_to(mount.folder) and (
            found is None or len(PurePosixPath(mount.folder).parts) >= len(PurePosixPath(found.folder).parts)
        ):
            found = mount
    return found


def _unescape(text: str) -> str:
    r"""Blanks, tabs, line ends and backslashes are written as `\040` and the like."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
