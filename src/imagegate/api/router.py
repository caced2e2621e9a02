"""All endpoints of the API, one line each."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from imagegate.api import health, metrics, reference
from imagegate.api.files import inputs, results, upload
from imagegate.api.files import routes as stored
from imagegate.api.openapi import document
from imagegate.api.v1 import (
    admin,
    cancel,
    credits,
    events,
    images,
    keys,
    ledger,
    models,
    refunds,
    routes,
    status,
    tasks,
    usage,
    webhooks,
)

HANDLERS: list[HTTPRouteHandler] = [
    images.create_image,
    images.create_quote,
    tasks.get_task,
    events.get_events,
    tasks.list_tasks,
    tasks.batch_tasks,
    cancel.cancel_task,
    webhooks.list_deliveries,
    webhooks.replay_delivery,
    webhooks.test_webhook,
    webhooks.get_secret,
    webhooks.rotate_secret,
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
    refunds.create_refund,
    admin.list_overruns,
    models.list_models,
    models.get_model,
    models.get_pricing,
    status.get_status,
    routes.list_routes,
    routes.reset_route,
    routes.get_task_cost,
    results.get_result,
    inputs.get_input,
    document.openapi_json,
    reference.get_reference,
    reference.get_reference_section,
    upload.upload_base64,
    upload.upload_stream,
    upload.upload_url,
    stored.list_files,
    stored.get_quota,
    stored.remove_file,
    stored.download_file,
    stored.open_file,
    health.healthz,
    health.readyz,
    metrics.get_metrics,
]
