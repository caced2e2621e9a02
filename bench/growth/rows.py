"""The tasks of a database that is made: one wide row each, of which SQL makes the rows of all tables."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.growth.prompts import new_prompt

DAYS = 90
ACCOUNTS = 200  # without the program's own `demo`
BIG, BIG_SHARE = "big", 0.3
SMALL, SMALL_SHARE = "small", 0.0005
SECOND, DAY = 1_000_000, 86_400_000_000
NEVER = 1 << 62
# Everything that is older has ended and is deleted, what is younger stays for weeks: the sweeps find nothing to do, and
# the database can lie for days before it is used.
RETENTION_DAYS, LATER_RETENTION_DAYS = 30, 60
MODELS = (("gpt-image-2", 0.75), ("gpt-image-1.5", 0.15), ("gpt-image-1.5-lite", 0.1))
OTHER_MODEL, MODEL_NONE = MODELS[1][0], "gpt-image-2-beta"

# Columns of the wide row, in order.
COLUMNS = {
    "n": "BIGINT",
    "id": "TEXT",
    "account_id": "TEXT",
    "key_id": "TEXT",
    "state": "TEXT",
    "model": "TEXT",
    "route": "TEXT",
    "upstream": "TEXT",
    "prompt": "TEXT",
    "edge": "BIGINT",
    "quality": "TEXT",
    "reference": "TEXT",
    "host": "TEXT",
    "created": "BIGINT",
    "started": "BIGINT",
    "ended": "BIGINT",
    "day_path": "TEXT",
    "begun": "TEXT",
    "done": "TEXT",
    "error": "TEXT",
    "hold": "BIGINT",
    "charge": "BIGINT",
    "price": "BIGINT",
    "cost": "BIGINT",
    "waste": "BIGINT",
    "bytes": "BIGINT",
    "results_expire": "BIGINT",
    "thumbnail_expires": "BIGINT",
    "starred": "BIGINT",
    "is_deleted": "BIGINT",
    "tags": "TEXT",
    "project": "TEXT",
    "client": "TEXT",
    "refunded": "BIGINT",
    "is_repeatable": "BIGINT",
}
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
_TAGS = ("logo", "owl", "logo,owl", "draft", "poster,draft", "client-a", "client-b,poster", "favourite")
_ERRORS = (
    '{"code":"content_policy_violation","message":"The prompt was refused.","type":"task_error"}',
    '{"code":"service_unavailable","message":"No upstream could make the image.","type":"task_error"}',
    '{"code":"generation_timeout","message":"The task was not done in time.","type":"task_error"}',
)
_CANCELLED = '{"code":"request_cancelled","message":"The task was cancelled.","type":"task_error"}'
_QUALITIES = (("low", 1), ("medium", 8), ("high", 32))


@dataclass(frozen=True)
class Account:
    id: str
    name: str
    keys: tuple[str, ...]
    created: int


def sortable_id(kind: str, moment: int, rest: int) -> str:
    """As the program makes them: by the millisecond, then whatever `rest` is."""
    value = (moment // 1000) << 80 | rest
    return f"{kind}_" + "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def _core(moment: int, rest: int) -> str:
    """What ids of this moment have in common: 25 characters, of which the last of an id makes a thing."""
    value = (moment // 1000) << 80 | rest << 10
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, 0, -10)]) + "0"


def weights() -> list[float]:
    """Of the accounts in order: `big`, `small` and the others, of which the first have most."""
    others = [1 / (number + 8) for number in range(ACCOUNTS - 2)]
    rest = (1 - BIG_SHARE - SMALL_SHARE) / sum(others)
    return [BIG_SHARE, SMALL_SHARE, *(rest * other for other in others)]


def task_rows(count: int, accounts: list[Account], now: int, seed: int = 17) -> Iterator[tuple[Any, ...]]:
    """In the order of their creation, from `DAYS` before `now` to a quarter of an hour before it."""
    chance = random.Random(seed)
    pick, bits = chance.random, chance.getrandbits
    spread = list(itertools.accumulate(weights()))
    models = list(itertools.accumulate(share for _, share in MODELS))
    start, span = now - DAYS * DAY, DAYS * DAY - 900 * SECOND
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
    letters = [first + second for first in alphabet for second in alphabet]
    paths: dict[int, str] = {}
    for n in range(count):
        created = start + span * n // count + int(pick() * 400) * 1000
        suffix = bits(48)
        code = letters[suffix % 1296] + letters[(suffix >> 12) % 1296] + letters[(suffix >> 24) % 1296]
        code += letters[(suffix >> 36) % 1296]
        account = accounts[min(_place(spread, pick()), len(accounts) - 1)]
        key = account.keys[0 if len(account.keys) == 1 or pick() < 0.7 else 1]
        model = MODELS[min(_place(models, pick()), len(MODELS) - 1)][0]
        fate = pick()
        started = created + 2_000 + int(pick() * 3_000_000)
        # Some wait long for an upstream: their holds are open for up to an hour.
        took = 600 + pick() * 3000 if pick() < 0.003 else 4 + pick() * 36
        ended = min(started + int(took * 1e6), now - SECOND)
        quality, factor = _QUALITIES[int(pick() * 3)]
        charge = factor * 5_337_000 + int(pick() * 60) * 1_500
        hold = charge + 20_000 + int(pick() * 1000) * 100
        cost = charge * 9 // 10
        age = (now - created) / DAY
        is_old = age > RETENTION_DAYS + 2
        upstream = "stand-in" if pick() < 0.8 else "second"
        has_call, refunded, starred, waste, error = True, None, 0, 0, None
        if fate < 0.9:
            state, price = "completed", charge if pick() > 0.005 else charge + 150_000
            if pick() < 0.002:
                refunded = min(ended + int(pick() * 3 * DAY), now - SECOND)
            starred = int(pick() < 0.01)
        else:
            state, charge, price, cost = "failed", 0, 0, 0
            if fate < 0.97:
                error = _ERRORS[int(pick() * 3)]
                waste = 4_000_000 if pick() < 0.05 else 0
            else:
                error, has_call = _CANCELLED, False
        is_deleted = int(is_old and not starred and pick() < 0.005)
        noted = -1.0 if is_deleted else pick()
        retention = RETENTION_DAYS if is_old else LATER_RETENTION_DAYS
        day = created // DAY
        if day not in paths:
            paths[day] = time.strftime("%Y/%m/%d", time.gmtime(created // SECOND))
        yield (
            n,
            f"task-unified-{created // SECOND}-{code}",
            account.id,
            key,
            state,
            model,
            f"{model}@{upstream}",
            upstream,
            "" if is_deleted else new_prompt(chance, n),
            1024 if pick() < 0.7 else 1536,
            quality,
            f'"https://pictures.example/{n % 977}/{n}.png"' if pick() < 0.08 and not is_deleted else "",
            f"hooks-{n % 3}.{account.name}.example" if pick() < 0.3 and not is_deleted else None,
            created,
            started if has_call else None,
            ended,
            paths[day],
            _core(started, bits(70)),
            _core(ended, bits(70)),
            error,
            hold,
            charge,
            price,
            cost,
            waste,
            900_000 + int(pick() * 1_500_000),
            (ended + (DAY if age > 2 else LATER_RETENTION_DAYS * DAY)) // SECOND * SECOND,
            (ended + retention * DAY) // SECOND * SECOND,
            starred,
            is_deleted,
            _TAGS[int(pick() * len(_TAGS))] if 0 <= noted < 0.03 else None,
            f"project-{int(pick() * 40)}" if 0.02 <= noted < 0.06 else None,
            "web" if 0.05 <= noted < 0.11 else None,
            refunded,
            int(age < 2 and pick() < 0.5),
        )


def _place(spread: list[float], drawn: float) -> int:
    low, high = 0, len(spread)
    while low < high:
        middle = (low + high) // 2
        if drawn < spread[middle]:
            high = middle
        else:
            low = middle + 1
    return low
