"""All endpoints, one line each."""

from __future__ import annotations

from typing import Any

from litestar.types import ControllerRouterHandler

from imagegate.api import files, ops
from imagegate.api.v1 import cancel, credits, images, tasks, webhooks

HANDLERS: list[ControllerRouterHandler | Any] = [
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
    ops.healthz,
    ops.readyz,
]
