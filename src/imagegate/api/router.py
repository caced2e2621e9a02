"""All endpoints, one line each."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from imagegate.api import files, openapi, ops
from imagegate.api.uploads import stored, upload
from imagegate.api.v1 import cancel, credits, images, tasks, webhooks

HANDLERS: list[HTTPRouteHandler] = [
    images.create_image,
    images.create_quote,
    tasks.get_task,
    tasks.list_tasks,
    tasks.batch_tasks,
    cancel.cancel_task,
    webhooks.list_deliveries,
    webhooks.replay_delivery,
    webhooks.test_webhook,
    webhooks.get_secret,
    webhooks.rotate_secret,
    credits.get_credits,
    files.get_result,
    openapi.openapi_json,
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
