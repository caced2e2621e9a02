"""What is made of the wide rows in `made`, in the forms that the program writes: the same SQL on both engines."""

from __future__ import annotations

from bench.growth.rows import COLUMNS, DAY, NEVER

STAGE = f"made ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})"

_ORDER = """'{"model":"' || model || '","row":"' || model || '","prompt":"' || prompt
    || '","size":{"requested":"1:1","width":' || edge || ',"height":' || edge
    || ',"assumed":false,"resolution":"1K"},"quality":"' || quality || '","n":1,"image_urls":[' || reference
    || '],"mask_url":null,"callback_url":'
    || CASE WHEN host IS NULL THEN 'null' ELSE '"https://' || host || '/hook"' END
    || ',"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}'"""
_RESULTS = """'[{"index":0,"ext":"png","media_type":"image/png","width":' || edge || ',"height":' || edge || ',"bytes":'
    || bytes || ',"quality":"","thumbnail":true}]'"""
_USAGE = """'{"images":1,"text_input":' || (n % 60 + 10) || ',"text_cached_input":0,"image_input":0,'
    || '"image_cached_input":0,"image_output":' || (charge / 27229) || ',"text_output":0}'"""
_BODY = """'{"created":' || (created / 1000000) || ',"id":"' || id || '","model":"' || model
    || '","object":"image.generation.task","progress":100,"results":["http://127.0.0.1:8000/files/results/' || id
    || '/0.png?exp=' || (results_expire / 1000000) || '&sig=k1.FFQAzxM58aClnpTdOcT2HrxIajl5oLKOI2wsAQibePc"],"status":"'
    || state || '","task_info":{"can_cancel":false},"type":"image","usage":{"billing_rule":"per_token",'
    || '"credits_reserved":0.407286,"credits_used":0.362916,"cost":{"credits":0.362916,"usd":0.005337},"tokens":'
    || '{"text_input":10,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":196},"source":'
    || '"upstream","price_version":"2026-11-01.1","user_group":"default"},"billing":{"refund_scope":"account_balance",'
    || '"charge_status":"charged","refund_status":"not_required","reserved_credits":0.407286,"charged_credits":'
    || '0.362916,"refunded_credits":0,"refunded_at":null},"duration":0.006}'"""


def _entries(which: str, lines: list[tuple[str, ...]], ref: str, moment: str, images: int, actor: str) -> str:
    """`lines`: account, kind and amount in SQL; `which` tells the tasks that have them."""
    parts = [
        f"""SELECT {place} AS place, n, id, model, key_id, {moment} AS moment, done, begun, {account} AS account,
            {kind} AS kind, {amount} AS amount FROM made WHERE {which}{extra}"""
        for place, (account, kind, amount, *rest) in enumerate(lines)
        for extra in [rest[0] if rest else ""]
    ]
    letter = {"cost": "c", "waste": "c", "settle": "s", "refund": "r"}[ref]
    of = "'att_' || begun || 'a'" if letter == "c" else "id"
    return f"""INSERT INTO entries (id, ref, account, kind, amount, task_id, actor, commit_id, created, model, key_id,
            price_version, images)
        SELECT 'led_' || substr(done, 1, 24) || '{letter}' || place, '{ref}:' || {of}, account, kind, amount, id,
            '{actor}', 'cmt_' || done || '{letter}', moment, model, key_id, :prices, {images}
        FROM ({" UNION ALL ".join(parts)}) AS lines ORDER BY n, place"""


_DONE = "state = 'completed'"
STATEMENTS = (
    f"""INSERT INTO tasks (id, account_id, key_id, state, claim_no, seq, progress, model, order_body, billing_rule,
        price_version, hold, due, created, deadline, started, ended, charge, usage_body, usage_source, results, error,
        results_expire, commit_id, callback_url, first_sent, cancel_requested, thumbnail_expires, deleted)
    SELECT id, account_id, key_id, state, CASE WHEN started IS NULL THEN 0 ELSE 1 END,
        CASE WHEN started IS NULL THEN 2 ELSE 3 END, CASE WHEN {_DONE} THEN 100 ELSE 0 END, model, {_ORDER},
        'per_token', :prices, hold, created + 2368, created, created + 3600000000, started, ended, charge,
        CASE WHEN {_DONE} THEN {_USAGE} END, CASE WHEN {_DONE} THEN 'upstream' END,
        CASE WHEN {_DONE} THEN {_RESULTS} END, error, CASE WHEN {_DONE} THEN results_expire END,
        'cmt_' || done || 's', CASE WHEN host IS NOT NULL THEN 'https://' || host || '/hook' END, started,
        CASE WHEN started IS NULL THEN ended END, CASE WHEN {_DONE} THEN thumbnail_expires END,
        CASE WHEN is_deleted = 1 THEN ended + 3600000000 END
    FROM made ORDER BY n""",
    f"""INSERT INTO holds (task_id, account_id, key_id, amount, day, state, charge, created, closed)
    SELECT id, account_id, key_id, hold, created / {DAY}, CASE WHEN {_DONE} THEN 'settled' ELSE 'released' END, charge,
        created, ended FROM made ORDER BY n""",
    f"""INSERT INTO task_steps (task_id, seq, claim_no, state, progress, at, sent)
    SELECT id, seq, claim_no, state, progress, at, sent FROM (
        SELECT n, id, 1 AS seq, 0 AS claim_no, 'queued' AS state, 0 AS progress, created AS at, 0 AS sent FROM made
        UNION ALL SELECT n, id, 2, 1, 'running', 0, started, 1 FROM made WHERE started IS NOT NULL
        UNION ALL SELECT n, id, CASE WHEN started IS NULL THEN 2 ELSE 3 END,
            CASE WHEN started IS NULL THEN 0 ELSE 1 END, state, CASE WHEN {_DONE} THEN 100 ELSE 0 END, ended,
            CASE WHEN started IS NULL THEN 0 ELSE 1 END FROM made
    ) AS steps ORDER BY n, seq""",
    f"""INSERT INTO attempts (id, task_id, account_id, claim_no, route, owner, outcome, started, ended, upstream,
        images, cost, considered)
    SELECT 'att_' || begun || 'a', id, account_id, 1, route, 'boot_5721178c829714c1',
        CASE WHEN {_DONE} THEN 'produced' WHEN waste > 0 THEN 'unknown' ELSE 'refused' END, started, ended, upstream, 1,
        cost + waste, '[{{"route":"' || route || '","cost":' || (hold * 9 / 10) || ',"skipped":""}}]'
    FROM made WHERE started IS NOT NULL ORDER BY n""",
    f"""INSERT INTO assets (id, account_id, task_id, kind, position, key, media_type, bytes, width, height, sha256,
        created, expires, deleted, commit_id)
    SELECT asset, account_id, id, kind, 0, key, media_type, bytes, edge, edge, sha256, created, expires,
        CASE WHEN expires < :now THEN expires + 60000000 END, commit_id
    FROM (SELECT n, 0 AS place, 'ast_' || done || 'a' AS asset, account_id, id, 'result' AS kind,
            't/' || account_id || '/' || day_path || '/att_' || begun || 'a-0.png' AS key, 'image/png' AS media_type,
            bytes, edge, '79238174f0b3e2441720c46339b8cce2c8be2c19a1507831e726' || (100000000000 + n) AS sha256,
            ended AS created, results_expire AS expires, 'cmt_' || done || 's' AS commit_id FROM made WHERE {_DONE}
        UNION ALL SELECT n, 1, 'ast_' || done || 'b', account_id, id, 'thumbnail',
            't/' || account_id || '/' || day_path || '/att_' || begun || 'a-0.webp', 'image/webp', bytes / 60, 512,
            '0b1f8174f0b3e2441720c46339b8cce2c8be2c19a1507831e726' || (100000000000 + n), ended + 200000,
            CASE WHEN starred = 1 THEN {NEVER} ELSE thumbnail_expires END, NULL FROM made WHERE {_DONE}) AS both_kinds
    ORDER BY n, place""",
    _entries(
        _DONE,
        [("'sys:upstream_cost'", "'cost'", "cost"), ("'sys:upstream'", "'cost'", "-cost")],
        "cost",
        "ended",
        0,
        "execute",
    ),
    _entries(
        "waste > 0",
        [("'sys:upstream_waste'", "'waste'", "waste"), ("'sys:upstream'", "'waste'", "-waste")],
        "waste",
        "ended",
        0,
        "execute",
    ),
    _entries(
        _DONE,
        [
            ("account_id", "'charge'", "-charge"),
            ("'sys:revenue'", "'charge'", "price"),
            ("'sys:overrun'", "'overrun'", "charge - price", " AND price <> charge"),
        ],
        "settle",
        "ended",
        1,
        "settle",
    ),
    _entries(
        "refunded IS NOT NULL",
        [("account_id", "'refund'", "charge"), ("'sys:revenue'", "'refund'", "-charge")],
        "refund",
        "refunded",
        1,
        "operator",
    ),
    """INSERT INTO refunds (task_id, id, account_id, amount, reason, actor, idempotency_key, commit_id, created)
    SELECT id, 'rfd_' || done || 'r', account_id, charge, 'not what was asked for', 'operator', 'refund-' || n,
        'cmt_' || done || 'r', refunded FROM made WHERE refunded IS NOT NULL ORDER BY n""",
    """INSERT INTO webhook_hosts (host) SELECT DISTINCT m.host FROM made m WHERE m.host IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM webhook_hosts h WHERE h.host = m.host)""",
    f"""INSERT INTO deliveries (id, account_id, task_id, url, host, body, state, reason, round_attempts, number, due,
        created, closed, commit_id)
    SELECT 'evt_' || id, account_id, id, 'https://' || host || '/hook', host, {_BODY},
        CASE WHEN n % 50 = 0 THEN 'exhausted' ELSE 'delivered' END, CASE WHEN n % 50 = 0 THEN 'gone' END, 1, 1, ended,
        ended, ended + 7607, 'cmt_' || done || 's' FROM made WHERE host IS NOT NULL ORDER BY n""",
    """INSERT INTO delivery_attempts (delivery_id, number, account_id, round, not_before, started, ended, duration_ms,
        status, excerpt)
    SELECT 'evt_' || id, 1, account_id, 0, ended, ended + 2601, ended + 7599, 2,
        CASE WHEN n % 50 = 0 THEN 410 ELSE 200 END, '' FROM made WHERE host IS NOT NULL ORDER BY n""",
    """INSERT INTO idempotency (account_id, endpoint, key, fingerprint, task_id, expires)
    SELECT account_id, 'POST /v1/images/generations', 'order-' || n,
        'c1760e6cf780eedb7a3d4e34e3d9f1d7146adbe3b94a30175c0' || (1000000000000 + n), id, created + 172800000000
    FROM made WHERE is_repeatable = 1 ORDER BY n""",
    """INSERT INTO task_metadata (task_id, name, value, account_id) SELECT id, name, value, account_id FROM (
        SELECT n, id, 'client' AS name, client AS value, account_id FROM made WHERE client IS NOT NULL
        UNION ALL SELECT n, id, 'project', project, account_id FROM made WHERE project IS NOT NULL
        UNION ALL SELECT n, id, 'starred', 'true', account_id FROM made WHERE starred = 1
        UNION ALL SELECT n, id, 'tags', tags, account_id FROM made WHERE tags IS NOT NULL) AS noted ORDER BY n, name""",
    """INSERT INTO starred_tasks (task_id, account_id, since)
    SELECT id, account_id, ended FROM made WHERE starred = 1 ORDER BY n""",
)
# Once all rows are there.
SUMS = (
    """UPDATE accounts SET posted = s.total FROM
        (SELECT account, CAST(SUM(amount) AS BIGINT) AS total FROM entries GROUP BY account) AS s
    WHERE s.account = accounts.id""",
    """UPDATE api_keys SET spent = s.total FROM
        (SELECT key_id, CAST(SUM(CASE WHEN kind IN ('charge', 'refund') THEN -amount ELSE 0 END) AS BIGINT) AS total
        FROM entries WHERE account NOT LIKE 'sys:%' AND key_id IS NOT NULL GROUP BY key_id) AS s
    WHERE s.key_id = api_keys.id""",
)
