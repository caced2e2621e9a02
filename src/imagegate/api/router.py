"""All endpoints, one line each."""

from __future__ import annotations

from typing import Any

from litestar.types import ControllerRouterHandler

from imagegate.api import files, metrics, ops
from imagegate.api.v1 import admin, credits, events, images, keys, ledger, models, tasks, usage

HANDLERS: list[ControllerRouterHandler | Any] = [
    images.create_image,
    images.create_quote,
    tasks.get_task,
    events.get_events,
    tasks.list_tasks,
    tasks.batch_tasks,
    credits.get_credits,
    ledger.get_ledger,
    keys.list_keys,
    keys.create_key,
    keys.change_key,
    keys.delete_key,
    usage.get_usage,
    admin.list_accounts,
    admin.create_account,
    admin.create_grant,
    admin.list_overruns,
    models.list_models,
    models.get_model,
    models.get_pricing,
    files.get_result,
    ops.healthz,
    ops.readyz,
    metrics.get_metrics,
]
