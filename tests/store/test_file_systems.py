"""Which file systems SQLite is refused on: told from the kernel's list of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.store import file_systems
from imagegate.store.database import DatabaseUnusable, create_engine
from imagegate.store.file_systems import Mount, find_mount, parse_mounts
from imagegate.store.sqlite import SqliteEngine

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 0:50 / /srv rw,relatime shared:5 - autofs systemd-1 rw,fd=38
41 40 0:51 / /srv rw,relatime shared:6 master:1 - nfs4 nas:/export rw,vers=4.2
42 41 254:1 / /srv/local rw,relatime - xfs /dev/vdb rw
43 27 0:52 / /mnt/my\040share rw - cifs //server/share\134x rw
44 27 0:53 / /mnt/keys rw - fuse.sshfs user@host:/home rw
45 27 0:54 / /mnt/ntfs rw - fuseblk /dev/sdb1 rw
46 27 0:55 / /mnt/hidden rw - ceph mon:/ rw
47 27 254:2 / /mnt/hidden rw - ext4 /dev/vdc rw
not a line of a mount
48 27 0:56 / /mnt/c rw - 9p C:\134 rw
49 27 0:57 / /var/lib/docker rw - overlay overlay rw,lowerdir=/a
50 27 0:58 / /mnt/bare rw - fuse sshd rw
"""


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/srv/imagegate.db", ("/srv", "nfs4", "nas:/export")),
        ("/srv/localities/imagegate.db", ("/srv", "nfs4", "nas:/export")),
        ("/mnt/my share/data/imagegate.db", ("/mnt/my share", "cifs", "//server/share\\x")),
        ("/mnt/keys/imagegate.db", ("/mnt/keys", "fuse.sshfs", "user@host:/home")),
        ("/mnt/c/imagegate.db", ("/mnt/c", "9p", "C:\\")),
        ("/srv/local/imagegate.db", None),
        ("/srvx/imagegate.db", None),
        ("/mnt/ntfs/imagegate.db", None),
        ("/mnt/hidden/imagegate.db", None),
        ("/var/lib/docker/imagegate.db", None),
        ("/mnt/bare/imagegate.db", None),
        ("/imagegate.db", None),
    ],
)
def test_the_mount_of_a_path_is_found(path: str, mount: tuple[str, str, str] | None) -> None:
    found = find_mount(parse_mounts(MOUNTS), Path(path))
    assert (found if found is not None and found.is_network else None) == (Mount(*mount) if mount else None)


@pytest.mark.parametrize(
    "kind",
    """nfs nfs4 cifs smb smb3 smbfs 9p ceph glusterfs lustre afs gpfs beegfs fuse.sshfs fuse.glusterfs fuse.ceph-fuse
    fuse.s3fs fuse.rclone fuse.juicefs fuse.nfs""".split(),  # noqa: SIM905  shorter so
)
def test_network_file_systems_are_known_by_name(kind: str) -> None:
    assert Mount("/", kind, "x").is_network


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "virtiofs", "fuse.ntfs-3g", "fuse"]
)
def test_what_is_local_or_unknown_passes(kind: str) -> None:
    assert not Mount("/", kind, "x").is_network


def test_sqlite_on_a_network_file_system_is_refused_by_its_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mountinfo"
    monkeypatch.setattr(file_systems, "_MOUNTS", table)
    create_engine(str(tmp_path / "imagegate.db"))  # a kernel that does not tell
    (tmp_path / "link").symlink_to(tmp_path / "remote")
    table.write_text(f"27 1 254:0 / / rw - ext4 /dev/vda rw\n41 27 0:51 / {tmp_path}/remote rw - nfs4 nas:/export rw\n")
    create_engine(str(tmp_path / "imagegate.db"))
    for folder in ("remote", "link"):
        with pytest.raises(DatabaseUnusable, match=rf"{tmp_path}/remote.*nfs4 of nas:/export.*local disk.*PostgreSQL"):
            create_engine(str(tmp_path / folder / "imagegate.db"))
        SqliteEngine(tmp_path / folder / "imagegate.db", is_copy=True)
