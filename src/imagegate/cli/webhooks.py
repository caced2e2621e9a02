"""`imagegate webhooks listen`: a receiver for the machine of whoever tries webhooks out."""

from __future__ import annotations

import contextlib
import datetime
import functools
import ipaddress
import json
import re
import socket
import socketserver
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

import click

from imagegate.cli.client import open_client
from imagegate.cli.exit_codes import FAILED, USAGE, Exit, cannot_listen
from imagegate.cli.options import GatewayOptions, gateway_options, options_exit_with_usage
from imagegate.settings import read_option
from imagegate_client import APIError, Client, Webhooks, WebhookVerificationError

_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")
_MAX_BODY_BYTES = 1024 * 1024  # ours have a few kilobytes
_READ_TIMEOUT_S = 10.0
_MAX_SHOWN_CHARS = 80


@click.group()
def webhooks() -> None:
    """Try webhooks out."""


@webhooks.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default="9300", metavar="PORT", show_default=True, help="The port to listen on; 0 takes a free one."
)
@click.option("--secret", metavar="whsec_…", help="The signing secret (default: that of the key's account).")
@gateway_options
def listen(gateway: GatewayOptions, host: str, port: str, secret: str | None) -> None:
    """Print webhooks as they come, one line each, and whether their signature is right; --json prints their bodies."""
    if secret is not None and not _SECRET.fullmatch(secret):
        raise Exit(
            USAGE, "imagegate: --secret must be whsec_ and 32 bytes in base64, as GET /v1/webhooks/secret shows it"
        )
    with options_exit_with_usage():
        address = read_option("host", host), read_option("port", port)
    say = functools.partial(click.echo, err=gateway.as_json)
    with _bind(*address) as receiver:
        if secret is None:
            with open_client(gateway) as client:
                secret = client.request("GET", "/v1/webhooks/secret", max_retries=0)["secret"]
                say(f"listening for webhooks of {client.base_url}; use as callback_url: {receiver.url}")
                _say_what_is_missing(client, receiver)
        else:
            say(f"listening for webhooks; use as callback_url: {receiver.url}")
            say(f"the gateway must have been started with --egress-allow {receiver.egress_entry}")
        receiver.begin(secret, say, print_bodies=gateway.as_json)
        with contextlib.suppress(KeyboardInterrupt):
            receiver.serve_forever()


def _say_what_is_missing(client: Client, receiver: Receiver) -> None:
    """Before the first event fails. A quote checks the URL and buys nothing."""
    request = {"prompt": "a logo", "callback_url": receiver.url}
    try:
        client.request("POST", "/v1/images/quotes", json=request, max_retries=0)
    except APIError as error:
        if error.param == "callback_url":
            click.echo(
                f"WARNING: the gateway refuses this URL so far: start it with --egress-allow {receiver.egress_entry}",
                err=True,
            )
        else:  # of a key that may ask no price, say
            click.echo(f"the gateway needs --egress-allow {receiver.egress_entry}", err=True)
    if not _is_loopback(urlsplit(client.base_url).hostname or "") and receiver.address.is_loopback:
        click.echo("WARNING: the gateway is not on this machine, and cannot reach it at this address", err=True)


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


class Receiver(socketserver.ThreadingTCPServer):
    """An HTTP server that checks each POST as a webhook: 200 where its signature is right, 401 otherwise."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, family: socket.AddressFamily, address: Any) -> None:
        self.address_family = family
        super().__init__(address, _Handler)
        host, self.port = self.server_address[:2]
        bound = ipaddress.ip_address(str(host))
        loopback = ipaddress.ip_address("127.0.0.1" if bound.version == 4 else "::1")
        # Where it listens on every address, the gateway of this machine reaches it at this one.
        self.address = loopback if bound.is_unspecified else bound
        self._seen: set[str] = set()

    def begin(self, secret: str, say: Any, *, print_bodies: bool) -> None:
        self._secret, self._say, self._print_bodies = secret, say, print_bodies

    @property
    def url(self) -> str:
        return (
            f"http://[{self.address}]:{self.port}/"
            if self.address.version == 6
            else f"http://{self.address}:{self.port}/"
        )

    @property
    def egress_entry(self) -> str:
        return f"{self.address}/{self.address.max_prefixlen}:{self.port}"

    def receive(self, headers: dict[str, str], body: bytes) -> int:
        """The status of the answer."""
        event = headers.get("webhook-id", "")
        try:
            Webhooks().verify(body, headers, self._secret)
        except WebhookVerificationError as error:
            self.report(event, f"NOT verified: {error}")
            return 401
        task = json.loads(body)
        verified = ["verified", *(["test"] if task.get("test") else []), *(["again"] if event in self._seen else [])]
        self._seen.add(event)
        code = f" ({task['error']['code']})" if task.get("error") else ""
        self.report(event, f"{task['id']}  {task['status']}{code}  {', '.join(verified)}")
        if self._print_bodies:
            click.echo(body.decode())
        return 200

    def report(self, event: str, what: str) -> None:
        now = datetime.datetime.now().astimezone().strftime("%H:%M:%S")
        # Anybody may post here what a terminal would obey.
        self._say("".join(c if c.isprintable() else "?" for c in f"{now}  {event[:_MAX_SHOWN_CHARS] or '-'}  {what}"))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is not worth a line."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = _READ_TIMEOUT_S
    server_version, sys_version = "imagegate", ""

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 10):
            self._refuse(411, "a body without Content-Length")
        elif int(length) > _MAX_BODY_BYTES:
            self._refuse(413, f"a body of {length} bytes, and at most {_MAX_BODY_BYTES} are read")
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._answer(self.server.receive(headers, self.rfile.read(int(length))))

    def do_GET(self) -> None:
        self._answer(405)

    def _refuse(self, status: int, why: str) -> None:
        self.server.report(self.headers.get("webhook-id", ""), f"NOT verified: {why}")
        self._answer(status)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """The receiver prints its own lines."""


def _bind(host: str, port: int) -> Receiver:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return Receiver(family, address)
    except socket.gaierror as error:
        raise Exit(FAILED, f"imagegate: cannot listen on {host}: {error.strerror}") from error
    except OSError as error:
        raise cannot_listen(host, port, error) from error
