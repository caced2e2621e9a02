"""Guarded HTTP for URLs that users gave: the only way from such a URL to a socket.

Three floors: `addresses` judges addresses and ports, `urls` reads and judges URLs, `guard` stands at the
wire. `client` offers the two things that the rest of the gateway does with such URLs, `results` fetches what an
upstream's answer points to.
"""

from imagegate.egress.addresses import AllowEntry, EgressRules, parse_allow
from imagegate.egress.client import Outbound, Posted
from imagegate.egress.exchange import Fetched, FetchFailed, Sink
from imagegate.egress.fetch_limits import Turns
from imagegate.egress.results import NotSaved, ResultLimits, Saved, fetch_result
from imagegate.egress.urls import CheckedUrl, Purpose, UrlRefused, check_url

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
