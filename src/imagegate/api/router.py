"""All endpoints, one line each."""

from __future__ import annotations

from typing import Any

from litestar.types import ControllerRouterHandler

from imagegate.api import files, ops
from imagegate.api.uploads import stored, upload
from imagegate.api.v1 import credits, images, tasks

HANDLERS: list[ControllerRouterHandler | Any] = [
    images.create_image,
    images.create_quote,
    tasks.get_task,
    tasks.list_tasks,
    tasks.batch_tasks,
    credits.get_credits,
    files.get_result,
    upload.upload_base64,
    upload.upload_stream,
    upload.upload_url,
    stored.list_files,
    stored.get_quota,
    stored.remove_file,
    stored.download_file,
    stored.open_file,
    ops.healthz,
    ops.readyz,
]
