"""Guarded HTTP for URLs that users gave: the only way from such a URL to a socket.

Three floors: `addresses` judges addresses and ports, `urls` reads and judges URLs, `guard` stands at the
wire. `client` offers the two things that the rest of the gateway does with such URLs, `results` fetches what an
upstream's answer points to.
"""

from imagegate.outbound.addresses import AllowEntry, EgressRules, parse_allow
from imagegate.outbound.client import Outbound, Posted
from imagegate.outbound.exchange import Fetched, FetchFailed, Sink
from imagegate.outbound.results import NotSaved, ResultLimits, Saved, fetch_result
from imagegate.outbound.turns import Turns
from imagegate.outbound.urls import CheckedUrl, Purpose, UrlRefused, check_url

__all__ = [
    "AllowEntry",
    "CheckedUrl",
    "EgressRules",
    "FetchFailed",
    "Fetched",
    "NotSaved",
    "Outbound",
    "Posted",
    "Purpose",
    "ResultLimits",
    "Saved",
    "Sink",
    "Turns",
    "UrlRefused",
    "check_url",
    "fetch_result",
    "parse_allow",
]
