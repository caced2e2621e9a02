"""Guarded HTTP for URLs that users gave: the only way from such a URL to a socket.

Three floors: `addresses` judges addresses and ports, `urls` reads and judges URLs, `guard` stands at the
wire. `client` offers the two things that the rest of the gateway does with such URLs, `results` fetches what an
upstream's answer points to.
"""

from imagegate.egress.addresses import AllowEntry, EgressRules, parse_allow
from imagegate.egress.client import EgressClient, PostResponse
from imagegate.egress.exchange import FetchFailed, FetchResult, Sink
from imagegate.egress.fetch_limits import FetchLimiter
from imagegate.egress.results import Download, DownloadFailed, ResultLimits, download_result
from imagegate.egress.urls import CheckedUrl, Purpose, UrlRefused, check_url

__all__ = [
    "AllowEntry",
    "CheckedUrl",
    "Download",
    "DownloadFailed",
    "EgressClient",
    "EgressRules",
    "FetchFailed",
    "FetchLimiter",
    "FetchResult",
    "PostResponse",
    "Purpose",
    "ResultLimits",
    "Sink",
    "UrlRefused",
    "check_url",
    "download_result",
    "parse_allow",
]
