"""Examples of every response and of the longer bodies, as the document and the reference pages show them.

Their values belong together, like those of one small shop; a test checks each against its schema.
"""

from __future__ import annotations

from typing import Any

from imagegate.api_docs.curl import PIXEL_PNG_BASE64
from imagegate.domain.money import Money, to_money

TASK_ID = "task-unified-1795341693-imcg5zqt"
KEY_ID, ACCOUNT_ID = "key_01kay5m0c1v7d3q2w9r8t6y4zx", "acc_01kay5kz7n4e8h2j5m9p3s6v0b"
DELIVERY_ID, FILE_ID = f"evt_{TASK_ID}", "file_7c0d9e51a64b4f0c8d2e93b1a5f60714"
CREATED, ENDED, EXPIRES = 1795341693, 1795341730, 1795428130
VERSION, CREDITS_PER_USD = "2026-11-01.1", 68
RESULT_URL = f"https://images.example.com/files/results/{TASK_ID}/0.png?exp={EXPIRES}&sig=k1.9mZkYp3vQxT7wLr2Nc5bJd8HsFg1aE6uKoRiVt4MzXy"
UPLOAD_URL = "https://images.example.com/files/uploads/9f2c4b7e1d8a4c6fb0e35a92d7c8146e/fox.png"


def _money(nanos: int) -> Money:
    return to_money(nanos, CREDITS_PER_USD)


_ZERO = _money(0)
_AVAILABLE = _money(16_108_817_647)
_CHARGE = _money(-47_470_500)


def _task(status: str, progress: int, info: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    head = {"created": CREATED, "id": TASK_ID, "model": "gpt-image-2", "object": "image.generation.task"}
    return {**head, "progress": progress, "status": status, "task_info": info, "type": "image", **more}


def _billing(charge: str, refund: str, charged: float, refunded: float, at: int | None) -> dict[str, Any]:
    return {
        "refund_scope": "account_balance",
        "charge_status": charge,
        "refund_status": refund,
        "reserved_credits": 3.276036,
        "charged_credits": charged,
        "refunded_credits": refunded,
        "refunded_at": at,
    }


_RESERVED = {"billing_rule": "per_token", "credits_reserved": 3.276036, "user_group": "default"}
PENDING_TASK = _task(
    "pending",
    0,
    {"can_cancel": True, "estimated_time": 45},
    {"usage": _RESERVED, "billing": _billing("reserved", "not_required", 0, 0, None)},
)
COMPLETED_TASK = _task(
    "completed",
    100,
    {"can_cancel": False},
    {
        "results": [RESULT_URL],
        "usage": {
            **_RESERVED,
            "credits_used": 3.227994,
            "cost": {"credits": 3.227994, "usd": 0.0474705},
            "tokens": {
                "text_input": 13,
                "text_cached_input": 0,
                "image_input": 0,
                "image_cached_input": 0,
                "image_output": 1756,
            },
            "source": "upstream",
            "price_version": VERSION,
        },
        "billing": _billing("charged", "not_required", 3.227994, 0, None),
        "duration": 37.2,
        "results_expire_at": EXPIRES,
    },
)
NOTED_TASK = {**COMPLETED_TASK, "metadata": {"order": "17"}}
CANCELLED_TASK = _task(
    "failed",
    0,
    {"can_cancel": False},
    {
        "usage": {**_RESERVED, "credits_used": 0, "cost": {"credits": 0, "usd": 0}},
        "billing": _billing("released", "completed", 0, 3.276036, ENDED),
        "error": {"code": "request_cancelled", "message": "The task was cancelled.", "type": "task_error"},
        "duration": 2.151,
    },
)
DELETED_TASK = {"id": TASK_ID, "object": "image.generation.task", "deleted": True}
_EVENT = f'event: task\ndata: {{"created":{CREATED},"id":"{TASK_ID}",'
EVENTS = f'retry: 2000\n\nid: 1\n{_EVENT}…,"status":"pending",…}}\n\nid: 2\n{_EVENT}…,"status":"completed",…}}\n\n'
BATCH = {"code": 200, "data": [COMPLETED_TASK]}
_ROW = {
    "id": TASK_ID,
    "model": "gpt-image-2",
    "type": "image",
    "status": "completed",
    "progress": 100,
    "created_at": CREATED,
    "has_results": True,
    "result_count": 1,
    "credits_used": 3.227994,
    "has_error": False,
    "prompt": "A beautiful colorful sunset over the ocean",
    "size": "1:1",
    "resolution": "1K",
    "quality": "medium",
    "n": 1,
    "references": 0,
    "has_mask": False,
    "outputs": [{"width": 1024, "height": 1024, "mime_type": "image/png"}],
    "results_expire_at": EXPIRES,
    "cost": {"credits": 3.227994, "usd": 0.0474705},
}
TASKS = {"object": "list", "data": [_ROW], "total": 1, "page": 1, "page_size": 20, "total_capped": False}


def _list(*data: Any) -> dict[str, Any]:
    return {"object": "list", "data": list(data), "has_more": False, "next_cursor": None}


def _line(
    item: str, expected: int, maximum: int, rate: str, expected_amount: Any, maximum_amount: Any
) -> dict[str, Any]:
    quantity = {"expected": expected, "maximum": maximum}
    return {
        "item": item,
        "unit": "token",
        "quantity": quantity,
        "rate_nanos": rate,
        "expected": expected_amount,
        "maximum": maximum_amount,
    }


_IMAGES_AMOUNT = _money(434_106_000)
QUOTE = {
    "object": "image.quote",
    "model": "gpt-image-2",
    "billing_rule": "per_token",
    "price_version": VERSION,
    "n": 2,
    "size": {"requested": "16:9", "resolution": "2K", "width": 2736, "height": 1536, "assumed": False},
    "quality": "high",
    "affordable": True,
    "expected": _money(434_286_000),
    "maximum": _money(435_636_000),
    "lines": [
        _line("text_input", 40, 340, "4500", _money(180_000), _money(1_530_000)),
        _line("image_output", 16078, 16078, "27000", _IMAGES_AMOUNT, _IMAGES_AMOUNT),
    ],
}
CREDITS = {
    "data": {
        "token": {"remaining_credits": 99416.4429, "unlimited_credits": False, "used_credits": 583.5571},
        "user": {
            "remaining_credits": 1095.3996,
            "used_credits": 135.9048,
            "reserved_credits": 3.276036,
            "exact": {"remaining": _AVAILABLE},
        },
    },
    "message": "",
    "success": True,
}
LEDGER = _list(
    {
        "id": "led_01kay5p2f8g3k6m9q1s4v7x0yz",
        "type": "charge",
        "task_id": TASK_ID,
        "created": ENDED,
        "amount": _CHARGE,
        "available_after": _AVAILABLE,
        "price_version": VERSION,
    }
)
_TOTAL = {"tasks": 1, "images": 1, "amount": _money(47_470_500), "refunded": _ZERO}
USAGE = {**_list({"day": "2026-11-22", **_TOTAL}), "first_day": "2026-10-24", "last_day": "2026-11-22", "total": _TOTAL}
KEY = {
    "id": KEY_ID,
    "object": "api_key",
    "name": "shop",
    "shown": "imk_live_4fQ7…",
    "status": "live",
    "scopes": ["images:write", "tasks:read"],
    "models": None,
    "allowed_ips": None,
    "cap": None,
    "daily_cap": _money(5_000_000_000),
    "made_by": None,
    "spent": _ZERO,
    "spent_today": _ZERO,
    "rate_per_minute": 60,
    "concurrent_tasks": None,
    "in_flight_cap": None,
    "in_flight": _ZERO,
    "created": CREATED,
    "expires_at": None,
    "disabled_at": None,
}
_KEY_VALUE = "imk_live_4fQ7" + "x" * 45  # no checksum fits it: it works nowhere
NEW_KEY = {**KEY, "key": _KEY_VALUE}
KEYS = _list(KEY)
DELETED_KEY = {"id": KEY_ID, "object": "api_key", "deleted": True}
_MODEL = {"id": "gpt-image-2", "object": "model", "created": 1776729600, "owned_by": "imagegate"}
_PRICE_RANGE = {"min": _money(1_674_000), "max": _money(817_360_200)}
MODELS = {"object": "list", "data": [_MODEL]}
MODEL = {
    **_MODEL,
    "billing_rule": "per_token",
    "price_range": _PRICE_RANGE,
    "parameters": {
        "prompt": {"max_code_points": 32000},
        "size": {"ratios": ["1:1", "16:9", "9:16"], "pixels": {"multiple": 16, "edge_max": 3840}, "default": "auto"},
        "resolution": {"values": ["1K", "2K", "4K"], "default": "1K"},
        "quality": {"values": ["low", "medium", "high"], "default": "medium"},
        "n": {"max": 10},
        "image_urls": {"max": 16, "max_bytes": 52428800},
        "mask_url": True,
    },
}
PRICES = {
    "object": "list",
    "price_version": VERSION,
    "credits_per_usd": CREDITS_PER_USD,
    "data": [
        {
            "model": "gpt-image-2",
            "billing_rule": "per_token",
            "effective_from": 1793491200,
            "per_1k_tokens": {"image_output": _money(27_000_000), "text_input": _money(4_500_000)},
            "range": _PRICE_RANGE,
        }
    ],
}
_ACCOUNT_ROW = {**_ROW, "account_id": ACCOUNT_ID, "account_name": "shop"}
ACCOUNT_TASKS = _list(_ACCOUNT_ROW)
OPEN_ACCOUNT = {
    "id": ACCOUNT_ID,
    "object": "account",
    "name": "shop",
    "available": _AVAILABLE,
    "held": _ZERO,
    "unfinished_tasks": 0,
    "created": CREATED,
    "closed_at": None,
}
ACCOUNT_DETAIL = {**OPEN_ACCOUNT, "used": _money(47_470_500)}
CLOSED_ACCOUNT = {**OPEN_ACCOUNT, "closed_at": ENDED}
ACCOUNT, ACCOUNTS = {**OPEN_ACCOUNT, "key": _KEY_VALUE}, _list(OPEN_ACCOUNT)
GRANT_REQUEST = {"account_id": ACCOUNT_ID, "credits": "2.5"}
GRANT_RESPONSE = {
    "id": "led_01kay5p2f8g3k6m9q1s4v7x0yz",
    "object": "grant",
    "account_id": ACCOUNT_ID,
    "amount": _money(36_764_706),
    "available": _AVAILABLE,
    "actor": f"key:{KEY_ID}",
    "created": CREATED,
}
REFUND_REQUEST = {"task_id": TASK_ID, "reason": "The image is cut off at the left"}
REFUND_RESPONSE = {
    "id": "rfd_01kay9p2f8g3k6m9q1s4v7x0yz",
    "object": "refund",
    "task_id": TASK_ID,
    "account_id": ACCOUNT_ID,
    "amount": _money(47_470_500),
    "available": _AVAILABLE,
    "reason": REFUND_REQUEST["reason"],
    "actor": f"key:{KEY_ID}",
    "created": ENDED,
}
AUDIT = _list(
    {
        "id": "aud_01kay5p2f8g3k6m9q1s4v7x0yz",
        "object": "audit_entry",
        "created": CREATED,
        "action": "key.disable",
        "actor": f"key:{KEY_ID}",
        "via": "page",
        "address": "192.0.2.7",
        "request_id": "req_0123456789abcdef01234567",
        "account_id": ACCOUNT_ID,
        "target": KEY_ID,
        "before": {"disabled": None},
        "after": {"disabled": 1795341693000000},
        "times": 1,
    }
)
OVERRUNS = _list(
    {
        "id": "led_01kay5p2f8g3k6m9q1s4v7x0yz",
        "object": "overrun",
        "task_id": TASK_ID,
        "account_id": ACCOUNT_ID,
        "created": ENDED,
        "charged": _money(48_177_000),
        "price": _money(50_202_000),
        "overrun": _money(2_025_000),
    }
)
_ATTEMPT = {
    "number": 1,
    "replay": 0,
    "started_at": ENDED,
    "duration_ms": 84,
    "status_code": 204,
    "error": None,
    "retry_after": None,
    "excerpt": "",
}
DELIVERY = {
    "id": DELIVERY_ID,
    "object": "webhook.delivery",
    "task_id": TASK_ID,
    "url": "https://shop.example.com/hooks/image-done?order=17",
    "body": f'{{"id":"{TASK_ID}","status":"completed"}}',
    "status": "delivered",
    "reason": None,
    "created_at": ENDED,
    "closed_at": ENDED,
    "next_attempt_at": None,
    "replays": 0,
    "attempts": [_ATTEMPT],
}
_TEST_TASK_ID = "task-unified-0-example1"
TEST_DELIVERY = {
    **DELIVERY,
    "id": "evt_test_01kay5q7r2t5w8z1c4f7h0k3n6",
    "task_id": None,
    "body": f'{{"id":"{_TEST_TASK_ID}","status":"completed","test":true}}',
    "status": "waiting",
    "closed_at": None,
    "next_attempt_at": ENDED,
    "attempts": [],
}
DELIVERIES = _list(DELIVERY)
_NOTHING = {"credits_reserved": 0, "credits_used": 0, "cost": {"credits": 0, "usd": 0}}
WEBHOOK_TEST = {
    **COMPLETED_TASK,
    "id": _TEST_TASK_ID,
    "results": [RESULT_URL.replace(TASK_ID, _TEST_TASK_ID)],
    "usage": {
        **COMPLETED_TASK["usage"],
        **_NOTHING,
        "tokens": dict.fromkeys(COMPLETED_TASK["usage"]["tokens"], 0),
        "source": "formula",
    },
    "billing": {**COMPLETED_TASK["billing"], "reserved_credits": 0, "charged_credits": 0},
    "duration": 0,
    "test": True,
}
SECRET = {
    "object": "webhook.secret",
    "secret": "whsec_" + "AbCd" * 10 + "AbA=",  # an example's secret signs nothing
    "version": 1,
    "previous": None,
}
ROTATED_SECRET = {
    **SECRET,
    "version": 2,
    "previous": {"secret": "whsec_" + "WxYz" * 10 + "WxA=", "expires_at": EXPIRES},
}
BASE64_UPLOAD = {"base64_data": PIXEL_PNG_BASE64, "file_name": "dot.png"}
URL_UPLOAD = {"file_url": "https://example.com/fox.png", "upload_path": "references"}
_FILE = {
    "file_id": FILE_ID,
    "file_name": "fox.png",
    "original_name": "fox.png",
    "file_size": 2048,
    "mime_type": "image/png",
    "upload_path": "images",
    "file_url": UPLOAD_URL,
    "download_url": f"https://images.example.com/api/v1/files/download/{FILE_ID}",
    "upload_time": "2026-11-22T10:00:00+00:00",
    "expires_at": "2026-11-25T10:00:00+00:00",
}


def _envelope(msg: str, data: Any) -> dict[str, Any]:
    return {"success": True, "code": 200, "msg": msg, "data": data}


FILE = _envelope("File uploaded successfully", _FILE)
FILES = _envelope("Files listed", {"total": 1, "page": 1, "page_size": 20, "files": [_FILE]})
FILE_QUOTA = _envelope(
    "Files counted", {"user_group": "default", "max_files": 100, "used_files": 1, "remain_files": 99}
)
DELETED_FILE = _envelope("File deleted", {"file_id": FILE_ID})
STATUS = {
    "object": "status",
    "state": "operational",
    "checked": ENDED,
    "window_seconds": 3600,
    "models_called": 1,
    "data": [
        {
            "model": "gpt-image-2",
            "state": "operational",
            "calls": 212,
            "success": 0.9953,
            "p50_seconds": 46.2,
            "p95_seconds": 131.8,
        }
    ],
}
_CONSIDERED = [
    {"route": "gpt-image-2@reseller", "cost": 47470500, "skipped": "throttled"},
    {"route": "gpt-image-2@azure-eu", "cost": 52745000, "skipped": ""},
]
ROUTES = _list(
    {
        "name": "gpt-image-2@azure-eu",
        "object": "route",
        "model": "gpt-image-2",
        "upstream": "azure-eu",
        "upstream_model": "gpt-image-2",
        "cost": {"image_output": "30", "image_input": "8", "text_input": "5"},
        "state": "healthy",
        "reason": "",
        "until": None,
        "flags": 0,
        "last_flag": "",
        "calls": 212,
        "images": 230,
        "produced": 211,
        "unknown": 1,
        "possible_duplicates": 1,
        "spent": _money(12_131_320_000),
        "brought": _money(10_918_215_000),
        "margin": _money(-1_213_105_000),
    }
)
ROUTES.pop("has_more", None)
ROUTES.pop("next_cursor", None)
TASK_COST = {
    "id": TASK_ID,
    "object": "task.cost",
    "charged": _money(47_470_500),
    "refunded": _ZERO,
    "cost": _money(52_745_000),
    "waste": _ZERO,
    "margin": _money(-5_274_500),
    "attempts": [
        {
            "id": "att_01kay5m0c1v7d3q2w9r8t6y4zx",
            "attempt": 1,
            "route": "gpt-image-2@azure-eu",
            "upstream": "azure-eu",
            "started": CREATED,
            "duration": 36.9,
            "outcome": "produced",
            "trouble": "",
            "detail": "",
            "images": 1,
            "cost": _money(52_745_000),
            "request_id": "7f1c2e0a-51d4-4c3e-9a67-0b2f8d1e6a55",
            "possible_duplicate": False,
            "considered": _CONSIDERED,
        }
    ],
    "task": _ACCOUNT_ROW,
}
_MARGIN_ROW = {
    "revenue": _money(47_470_500),
    "refunds": _ZERO,
    "cost": _money(40_000_000),
    "waste": _ZERO,
    "margin": _money(7_470_500),
}
_OVERVIEW_ROW = {**_MARGIN_ROW, "completed": 1, "failed": 0}
OVERVIEW = {
    "object": "overview",
    "first_day": "2026-10-24",
    "last_day": "2026-11-22",
    "total": _OVERVIEW_ROW,
    "days": [{**_OVERVIEW_ROW, "day": "2026-11-22"}],
    "queue": {"count": 2, "oldest_seconds": 3, "running": 1},
    "webhooks": {"count": 0, "oldest_seconds": 0},
    "routes": [{"name": "gpt-image-2@azure-eu", "state": "healthy", "reason": "", "until": None}],
    "broken_invariants": [],
}
MARGIN = {
    "object": "margin",
    "first_day": "2026-11-16",
    "last_day": "2026-11-22",
    "total": _MARGIN_ROW,
    "models": [{**_MARGIN_ROW, "model": "gpt-image-2"}],
    "routes": [{**_MARGIN_ROW, "route": "gpt-image-2@azure-eu"}],
}
