"""Prices by the operator: what the start says of them, what may be corrected, and what is refused."""

from __future__ import annotations

import datetime
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.gateway import Gateway, GatewayExited
from tests.support.program import wait_until

BODY = {"prompt": "logo", "model": "gpt-4o-image"}


def write_block(file: Path, version: str, moment: float, factor: str) -> None:
    when = datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat(timespec="seconds")
    file.write_text(f'version = "{version}"\neffective_from = {when}\nextends = "2026-11-01.1"\nfactor = "{factor}"\n')


def expected_usd(gateway: Gateway) -> str:
    with gateway.client() as client:
        usd: str = client.post("/v1/images/quotes", json=BODY).json()["expected"]["usd"]
        return usd


def test_a_price_is_corrected_until_somebody_is_quoted_by_it(tmp_path: Path) -> None:
    now, soon, later = time.time(), tmp_path / "soon.toml", tmp_path / "later.toml"
    gateway = Gateway(tmp_path / "data", env={"IMAGEGATE_PRICE_FILES": f"{soon},{later}"})
    write_block(soon, "soon", now - 60, "1.25")
    write_block(later, "later", now + 25 * 3600, "2")
    with gateway:
        [line] = [line for line in gateway.output if line.startswith("prices: ")]
        assert line.startswith("prices: later applies from ")
        assert line.endswith(" (in 25 h); until then soon")
        assert f"ok    {line}" in gateway.run("doctor").stdout
        write_block(later, "later", now + 25 * 3600, "3")
        os.kill(gateway.pid, signal.SIGHUP)
        wait_until(lambda: any("prices_not_reloaded" in one for one in gateway.output), 30)
        later.write_text("version = 5\n")
        os.kill(gateway.pid, signal.SIGHUP)
        wait_until(lambda: any("version is 5: must be" in one for one in gateway.output), 30)
    write_block(soon, "soon", now - 60, "2")
    write_block(later, "later", now + 90 * 3600, "2")
    with gateway:
        assert expected_usd(gateway) == "0.03"
        line = next(line for line in gateway.output if line.startswith("prices: "))
        assert line.endswith("(in 4 days); until then soon")
    write_block(soon, "soon", now - 60, "3")
    with pytest.raises(GatewayExited) as refused:
        gateway.start()
    [line] = [line for line in gateway.output if not line.startswith("{")]
    assert line == (
        f"imagegate: {soon}: price block soon was edited after a price was quoted by it (image_output of gpt-image-2"
        " was 0.054, is 0.081): restore it, and put the new price into a block with a new version"
    )
    assert refused.value.code == 1
    doctor = gateway.run("doctor", check=False)
    assert doctor.returncode == 1
    assert "FAIL  prices: " in doctor.stdout
    gateway.check()


def test_a_faulty_price_file_is_refused_in_one_line_and_nothing_is_made(tmp_path: Path) -> None:
    file, data = tmp_path / "p.toml", tmp_path / "data"
    file.write_text('version = "v"\neffective_from = "2026-12-01"\n')
    gateway = Gateway(data, env={"IMAGEGATE_PRICE_FILES": str(file)})
    with pytest.raises(GatewayExited):
        gateway.start()
    [line] = gateway.output
    assert line.startswith(
        f"imagegate: {file}: effective_from is '2026-12-01': must be a date-time without quotes such"
    )
    assert not (data / "imagegate.db").exists()
