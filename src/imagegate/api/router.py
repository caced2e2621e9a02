"""All endpoints of the API: the handlers of these modules, in the order of the document."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from imagegate.api import health, metrics, reference
from imagegate.api.files import routes as files
from imagegate.api.files import signed_links, upload
from imagegate.api.openai import images as openai_images
from imagegate.api.openai import models as openai_models
from imagegate.api.openapi import document
from imagegate.api.v1 import (
    accounts,
    admin,
    admin_tasks,
    credits,
    images,
    keys,
    ledger,
    models,
    overview,
    routes,
    status,
    task_lists,
    tasks,
    usage,
    webhooks,
)

_V1 = (
    images,
    tasks,
    task_lists,
    webhooks,
    credits,
    ledger,
    keys,
    usage,
    accounts,
    admin,
    admin_tasks,
    overview,
    models,
    status,
    routes,
)
_OTHERS = (signed_links, document, reference, upload, files, health, metrics)
HANDLERS = [one for module in _V1 + _OTHERS for one in vars(module).values() if isinstance(one, HTTPRouteHandler)]
# Not in our document: the vendor's own describes them.
OPENAI_HANDLERS = [
    one
    for module in (openai_images, openai_models)
    for one in vars(module).values()
    if isinstance(one, HTTPRouteHandler)
]
