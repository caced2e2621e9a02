"""Decides the faults of the next call: first the control script, then directives in the prompt, then the flags."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import msgspec

from imagegate.simulator.faults import Faults, parse_byte_count, parse_faults, parse_seconds

_DIRECTIVE = re.compile(r"\[\[\s*(fault|latency|size|format|bytes|refuse)\s*(?::\s*([^\]]*?))?\s*\]\]")
_SIZE = re.compile(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})")
_FORMATS = ("png", "jpeg", "webp")
MAX_IMAGE_BYTES = 64 << 20
MAX_EDGE_PIXELS = 4096


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Faults and latency (in seconds) of one call. `size`, `format` and `file_bytes` override what was requested.

    `scripted`: it came from a step, which no prompt changes and which strikes repeats of a submit too.
    """

    faults: Faults = {}
    latency: float = 0.0
    size: tuple[int, int] | None = None
    format: str = ""
    file_bytes: int = 0
    scripted: bool = False

    def value(self, fault: str, default: str) -> str:
        return self.faults.get(fault) or default


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of a script: it applies to the next call, or to the next call of `protocol`."""

    fault: str = "none"
    protocol: str = msgspec.field(default="", name="shape")
    latency: str | float | None = None
    times: int = 1


class Flag(msgspec.Struct, frozen=True):
    """`--fault [SHAPE=]NAME`."""

    faults: Faults
    protocol: str = ""


class Script:
    """Each call consumes one step, in order of arrival; without steps, prompts and flags decide."""

    def __init__(self, flags: Sequence[Flag] = (), rate: float = 1.0, latency: float = 0.0, seed: int = 0) -> None:
        self.steps: list[Step] = []
        self._flags = flags
        self._rate = rate
        self._latency = latency
        self._random = random.Random(seed)  # noqa: S311 -- the same seed must give the same faults

    def next_plan(self, protocol: str) -> Plan:
        """The plan of a call that has just arrived; consumes its step."""
        for position, step in enumerate(self.steps):
            if step.protocol in ("", protocol):
                self._consume(position, step)
                latency = self._latency if step.latency is None else parse_seconds(str(step.latency))
                return Plan(faults=parse_faults(step.fault), latency=latency, scripted=True)
        return Plan(faults=self._random_faults(protocol), latency=self._latency)

    def _consume(self, position: int, step: Step) -> None:
        rest = [msgspec.structs.replace(step, times=step.times - 1)] if step.times > 1 else []
        self.steps[position : position + 1] = rest

    def _random_faults(self, protocol: str) -> Faults:
        fitting = [flag.faults for flag in self._flags if flag.protocol in ("", protocol)]
        strikes = bool(fitting) and self._random.random() < self._rate
        return self._random.choice(fitting) if strikes else {}


def with_prompt(plan: Plan, prompt: str) -> Plan:
    """The plan with the directives of the prompt. Raises ValueError for an unknown one."""
    words = {name: value or "" for name, value in _DIRECTIVE.findall(prompt)}
    changes: dict[str, object] = {}
    asked = [value for name, value in _DIRECTIVE.findall(prompt) if name == "fault"]
    asked += ["moderation-refusal"] if "refuse" in words else []
    if asked and not plan.scripted:
        changes["faults"] = parse_faults("+".join(asked))
    if "latency" in words:
        changes["latency"] = parse_seconds(words["latency"])
    return msgspec.structs.replace(plan, **changes, **_image_directives(words))


def _image_directives(words: dict[str, str]) -> dict[str, object]:
    changes: dict[str, object] = {}
    if "size" in words:
        found = _SIZE.fullmatch(words["size"])
        if not found or max(map(int, found.groups())) > MAX_EDGE_PIXELS:
            raise ValueError(f"{words['size']!r} is no size such as 512x512 with edges up to {MAX_EDGE_PIXELS}")
        changes["size"] = (int(found[1]), int(found[2]))
    if "format" in words:
        if words["format"] not in _FORMATS:
            raise ValueError(f"{words['format']!r} is none of {', '.join(_FORMATS)}")
        changes["format"] = words["format"]
    if "bytes" in words:
        changes["file_bytes"] = min(parse_byte_count(words["bytes"]), MAX_IMAGE_BYTES)
    return changes


def parse_flag(text: str) -> Flag:
    protocol, mark, faults = text.rpartition("=")
    return Flag(parse_faults(faults), protocol if mark else "")


def parse_steps(body: bytes) -> list[Step]:
    """Steps from a JSON list of fault names, nulls and objects. Raises ValueError or msgspec.MsgspecError."""
    steps: list[Step] = []
    for item in msgspec.json.decode(body, type=list[str | Step | None]):
        step = item if isinstance(item, Step) else Step(fault=item or "none")
        parse_faults(step.fault)
        if step.latency is not None:
            parse_seconds(str(step.latency))
        steps.append(step)
    return steps
