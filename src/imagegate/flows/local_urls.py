"""URLs of this origin, resolved from the database: results, thumbnails, uploads and downloads of one account.

Nothing goes over the network, so they work on loopback and behind NAT.
"""

from __future__ import annotations

import re
import urllib.parse

from imagegate.domain.assets import Asset, AssetKind
from imagegate.domain.errors import NotFound
from imagegate.domain.files import FILE_ID_RE, FileState, StoredFile
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.thumbnails import find_thumbnail
from imagegate.runtime import Runtime
from imagegate.security.signing import THUMBNAIL_EXTENSION, verify_result_link
from imagegate.store import assets, files, tasks

UPLOADS_PATH, DOWNLOADS_PATH = "/files/uploads", "/api/v1/files/download"
_RESULT_PATH = re.compile(r"/files/results/([^/]{1,80})/([0-9]{1,2})\.([a-z.]{1,10})")
_UPLOAD_PATH = re.compile(UPLOADS_PATH + r"/([0-9a-f]{32})/([A-Za-z0-9._-]{1,100})")
_DOWNLOAD_PATH = re.compile(DOWNLOADS_PATH + f"/({FILE_ID_RE.pattern})")


def is_local_url(runtime: Runtime, url: str) -> bool:
    return url.startswith(f"{runtime.origin}/")


def upload_link(runtime: Runtime, file: StoredFile) -> str:
    return f"{runtime.origin}{UPLOADS_PATH}/{file.secret}/{file.file_name}"


def download_link(runtime: Runtime, file: StoredFile) -> str:
    return f"{runtime.origin}{DOWNLOADS_PATH}/{file.id}"


async def resolve_local_url(runtime: Runtime, url: str, account_id: str) -> Asset | None:
    """The asset behind a live URL of this account; None for unknown, foreign, expired and deleted alike.

    ServiceUnavailable for a thumbnail that nobody has looked at and that cannot be drawn in time.
    """
    path, _, query = url.removeprefix(runtime.origin).partition("#")[0].partition("?")
    if result := _RESULT_PATH.fullmatch(path):
        return await _find_result(runtime, account_id, result, query)
    if upload := _UPLOAD_PATH.fullmatch(path):
        file = await runtime.db.read(files.find_file_by_secret, upload[1])
        return await _find_file_asset(runtime, account_id, file if file and file.file_name == upload[2] else None)
    if download := _DOWNLOAD_PATH.fullmatch(path):
        return await _find_file_asset(
            runtime, account_id, await runtime.db.read(files.find_file, account_id, download[1])
        )
    return None


async def _find_result(runtime: Runtime, account_id: str, match: re.Match[str], query: str) -> Asset | None:
    given = urllib.parse.parse_qs(query)
    exp, sig = given.get("exp", [""])[0], given.get("sig", [""])[0]
    keys = runtime.keyring.accepted_keys("links", runtime.clock())
    expires_s = verify_result_link(keys, match[1], int(match[2]), match[3], exp, sig)
    if expires_s is None or expires_s * US_PER_SECOND <= runtime.clock():
        return None
    task_id, position = match[1], int(match[2])
    if match[3] != THUMBNAIL_EXTENSION:
        return await runtime.db.read(assets.find_live_output_asset, account_id, task_id, AssetKind.result, position)
    # Whose it is comes first: nobody has another account's thumbnail drawn by naming it as a reference.
    if await runtime.db.read(tasks.find_task_account, task_id) != account_id:
        return None
    try:
        return await find_thumbnail(runtime, task_id, position)
    except NotFound:
        return None


async def _find_file_asset(runtime: Runtime, account_id: str, file: StoredFile | None) -> Asset | None:
    if file is None or file.state_at(runtime.clock()) is not FileState.live:
        return None
    asset = await runtime.db.read(assets.find_asset, account_id, file.asset_id)
    return asset if asset and asset.deleted is None else None
