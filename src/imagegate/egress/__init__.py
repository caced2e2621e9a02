"""Guarded HTTP for URLs that users gave: the only way from such a URL to a socket.

`addresses` checks addresses and ports, `urls` parses and checks URLs, `connector` guards every connection. `client`
fetches references and posts webhooks; `results` downloads what an upstream's response points to.
"""

from imagegate.egress.addresses import EgressRules
from imagegate.egress.client import EgressClient, FetchFailed, PostResponse, Sink
from imagegate.egress.fetch_limits import FetchLimiter
from imagegate.egress.results import download_result
from imagegate.egress.urls import CheckedUrl, Purpose, UrlRefused, check_url
from imagegate.security.networks import AllowEntry, parse_allow

__all__ = [
    "AllowEntry",
    "CheckedUrl",
    "EgressClient",
    "EgressRules",
    "FetchFailed",
    "FetchLimiter",
    "PostResponse",
    "Purpose",
    "Sink",
    "UrlRefused",
    "check_url",
    "download_result",
    "parse_allow",
]
