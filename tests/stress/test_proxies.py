"""A gateway behind nginx and Caddy, with the settings that docs/deploy.md shows."""

from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from tests.deploy.packages import DEPLOY
from tests.docs.test_deploy import TEXT
from tests.support.gateway import Gateway, free_port
from tests.support.image_files import large_png
from tests.support.program import wait_until

pytestmark = [pytest.mark.gate, pytest.mark.timeout(300)]

CUSTOMER = "127.0.0.9"  # where requests come from


@contextmanager
def _nginx(folder: Path, port: int, gateway: str, certificate: Path) -> Iterator[None]:
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    text = text.replace("127.0.0.1:8000", gateway.removeprefix("http://")).replace("listen 443", f"listen {port}")
    text = re.sub(r"(ssl_certificate(?:_key)?) \S+;", rf"\1 {certificate};", text).replace(
        "images.example.com", "localhost"
    )
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid; error_log {folder}/error.log; daemon off; user root;\nevents {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; {text} }}\n"
    )
    with _running(["nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"], folder):
        yield


@contextmanager
def _caddy(folder: Path, port: int, gateway: str, certificate: Path) -> Iterator[None]:
    (text,) = re.findall(r"^```caddy\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    text = text.replace("127.0.0.1:8000", gateway.removeprefix("http://"))
    text = text.replace("images.example.com {", f"https://localhost:{port} {{\n\ttls {certificate} {certificate}")
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + text)
    with _running(["caddy", "run", "--config", f"{folder}/Caddyfile"], folder):
        yield


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[None]:
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def proxied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, httpx.Client]]:
    """A gateway and a client that reaches it through the proxy only."""
    if not shutil.which(request.param, path="/usr/sbin:/usr/bin"):
        pytest.skip(f"needs the Debian package {request.param}")
    folder = tmp_path_factory.mktemp(request.param)
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "certificate.pem")
    port = free_port()
    url = f"https://localhost:{port}"
    env = {"IMAGEGATE_TRUSTED_PROXIES": "127.0.0.1", "IMAGEGATE_FAILED_LOGINS_PER_MINUTE": "3"}
    with Gateway(folder / "data", env=env, public_url=url) as gateway:
        start = {"nginx": _nginx, "caddy": _caddy}[request.param]
        context = ssl.create_default_context()
        authority.configure_trust(context)
        transport = httpx.HTTPTransport(verify=context, local_address=CUSTOMER)
        key = gateway.new_key("shop")
        with (
            start(folder, port, gateway.url, folder / "certificate.pem"),
            httpx.Client(
                base_url=url, transport=transport, headers={"Authorization": f"Bearer {key}"}, timeout=90
            ) as client,
        ):
            wait_until(lambda: _answers(client), what=(folder / "output").read_text)
            yield gateway, client


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_task_is_waited_for_and_its_link_leads_through_the_proxy(proxied: tuple[Gateway, httpx.Client]) -> None:
    _, client = proxied
    body = {"prompt": "a red fox", "size": "816x816", "quality": "low"}
    task = client.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"}).json()
    assert task["status"] == "completed", task
    assert task["results"][0].startswith(str(client.base_url).rstrip("/"))
    assert client.get(task["results"][0]).content.startswith(b"\x89PNG")


def test_large_upload_arrives_and_a_larger_one_is_refused_by_the_gateway(proxied: tuple[Gateway, httpx.Client]) -> None:
    _, client = proxied
    file = large_png(48 * 1024 * 1024)
    stored = client.post("/api/v1/files/upload/stream", files={"file": ("large.png", file)})
    assert stored.status_code == 200, stored.text
    refused = client.post("/api/v1/files/upload/stream", files={"file": ("large.png", large_png(60 * 1024 * 1024))})
    assert refused.status_code == 400  # a proxy would answer 413, and no JSON
    assert refused.headers["content-type"] == "application/json"


def test_events_arrive_one_by_one(proxied: tuple[Gateway, httpx.Client]) -> None:
    _, client = proxied
    body = {"prompt": "a red fox", "size": "2048x2048", "quality": "high"}
    task = client.post("/v1/images/generations", json=body).json()
    seen = []
    with client.stream("GET", f"/v1/tasks/{task['id']}/events") as stream:
        for chunk in stream.iter_text():
            seen.append(chunk)
            if "completed" in chunk:
                break
    assert len(seen) > 1, "the proxy kept the events until the end"


def test_address_of_the_client_counts(proxied: tuple[Gateway, httpx.Client]) -> None:
    """Whoever guesses is slowed down by address; a forged header makes no other address of it."""
    gateway, client = proxied
    codes = []
    for number in range(8):
        forged = {"Authorization": "Bearer imk_live_wrong", "X-Forwarded-For": f"203.0.113.{number}"}
        codes.append(client.get("/v1/credits", headers=forged).status_code)
    assert codes[0] == 401
    assert codes[-1] == 429
    with gateway.client("imk_live_wrong") as other:
        assert other.get("/v1/credits").status_code == 401


def test_what_is_for_the_operator_is_not_for_strangers(proxied: tuple[Gateway, httpx.Client]) -> None:
    _, client = proxied
    assert [client.get(path).status_code for path in ("/metrics", "/readyz", "/healthz")] == [404, 404, 200]


def test_caddyfile_for_several_gateways_is_correct(tmp_path: Path) -> None:
    if not shutil.which("caddy", path="/usr/bin"):
        pytest.skip("needs the Debian package caddy")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "IMAGEGATE_DOMAIN": "images.example.com"}
    command = ["caddy", "adapt", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "images.example.com" in json.dumps(json.loads(done.stdout))
