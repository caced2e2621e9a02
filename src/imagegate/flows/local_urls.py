"""Links of this origin, read from our own rows: result, thumbnail, upload or download of the account that asks.

Nothing goes over the network, so these links work on loopback and behind NAT. Refuses to know what they are for.
"""

from __future__ import annotations

import re
import urllib.parse

from imagegate.domain.assets import Asset, AssetKind
from imagegate.domain.files import FILE_ID, Standing, StoredFile
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.security.signing import THUMBNAIL, Good, check_link
from imagegate.store import assets, files

UPLOADS, DOWNLOADS = "/files/uploads", "/api/v1/files/download"
_RESULT = re.compile(r"/files/results/([^/]{1,80})/([0-9]{1,2})\.([a-z.]{1,10})")
_UPLOAD = re.compile(UPLOADS + r"/([0-9a-f]{32})/([A-Za-z0-9._-]{1,100})")
_DOWNLOAD = re.compile(DOWNLOADS + f"/({FILE_ID.pattern})")


def is_own(runtime: Runtime, url: str) -> bool:
    return url.startswith(f"{runtime.origin}/")


def upload_link(runtime: Runtime, file: StoredFile) -> str:
    return f"{runtime.origin}{UPLOADS}/{file.secret}/{file.file_name}"


def download_link(runtime: Runtime, file: StoredFile) -> str:
    return f"{runtime.origin}{DOWNLOADS}/{file.id}"


async def own_asset(runtime: Runtime, url: str, account_id: str) -> Asset | None:
    """The bytes behind a live link of this account; None for unknown, foreign, expired and removed alike."""
    path, _, query = url.removeprefix(runtime.origin).partition("#")[0].partition("?")
    if result := _RESULT.fullmatch(path):
        return await _result(runtime, account_id, result, query)
    if upload := _UPLOAD.fullmatch(path):
        file = await runtime.db.read(files.file_by_secret, upload[1])
        return await _bytes_of(runtime, account_id, file if file and file.file_name == upload[2] else None)
    if download := _DOWNLOAD.fullmatch(path):
        return await _bytes_of(runtime, account_id, await runtime.db.read(files.find_file, account_id, download[1]))
    return None


async def _result(runtime: Runtime, account_id: str, found: re.Match[str], query: str) -> Asset | None:
    given = urllib.parse.parse_qs(query)
    exp, sig = given.get("exp", [""])[0], given.get("sig", [""])[0]
    link = check_link(runtime.keyring.key("links"), found[1], int(found[2]), found[3], exp, sig)
    if not isinstance(link, Good) or link.exp * PER_SECOND <= runtime.clock():
        return None
    kind = AssetKind.thumbnail if found[3] == THUMBNAIL else AssetKind.result
    return await runtime.db.read(assets.own_shown_asset, account_id, found[1], kind, int(found[2]))


async def _bytes_of(runtime: Runtime, account_id: str, file: StoredFile | None) -> Asset | None:
    if file is None or file.standing(runtime.clock()) is not Standing.live:
        return None
    asset = await runtime.db.read(assets.asset_of, account_id, file.asset_id)
    return asset if asset and asset.deleted is None else None
