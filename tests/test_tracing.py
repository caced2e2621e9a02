"""When traces are recorded at all: what the environment asks for, and what is installed."""

from __future__ import annotations

import asyncio
import sys

import pytest

from imagegate.tracing import open_tracing

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_SERVICE_NAME": "images"},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "true"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_off_without_a_word_where_it_is_not_asked_for(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert open_tracing("boot", env) is None
    assert capsys.readouterr().err == ""


def test_off_with_a_line_where_the_protocol_is_another(capsys: pytest.CaptureFixture[str]) -> None:
    assert open_tracing("boot", {**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) is None
    assert "OTLP over grpc is not supported" in capsys.readouterr().err


def test_off_with_a_line_where_the_extra_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert open_tracing("boot", ENDPOINT) is None
    assert "install imagegate[otel]" in capsys.readouterr().err


def test_on_with_a_line_that_shows_no_header_also_where_it_cannot_be_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=images, a key and no header")
    tracing = open_tracing("boot", ENDPOINT)
    assert tracing is not None
    asyncio.run(tracing.close())
    lines = capsys.readouterr().err
    assert "tracing_on" in lines
    assert "Header format invalid" in lines
    assert "a key and no header" not in lines


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "99999"), ("OTEL_BSP_MAX_QUEUE_SIZE", "0")],
)
def test_off_with_a_line_where_a_variable_cannot_be_used(
    variable: str, value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert open_tracing("boot", ENDPOINT) is None
    assert "tracing_off" in capsys.readouterr().err
