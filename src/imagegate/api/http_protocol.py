"""What is answered to bytes that are no HTTP request: an error like every other, JSON and with a request id.

Knows: that the parser gave up. Refuses to know: which API was meant; nothing was read that could tell.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from imagegate.api.problems import problem_response
from imagegate.domain import ids
from imagegate.domain.errors import InvalidRequest


class HttpProtocol(HttpToolsProtocol):
    """Also meets paths with raw bytes outside of ASCII, lengths that are no numbers, and addresses above 64 kB."""

    def send_400_response(self, msg: str) -> None:
        request_id = ids.new_request_id()
        body = problem_response(InvalidRequest(msg), request_id, "").content
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
