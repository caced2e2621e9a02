"""The response to bytes that are not an HTTP request: an error like every other, JSON with a request id."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from imagegate.api.problems import problem_response
from imagegate.domain import ids
from imagegate.domain.errors import InvalidRequest


class HttpProtocol(HttpToolsProtocol):
    """Also for raw bytes outside ASCII in the path, a Content-Length that is not a number, and URLs above 64 kB."""

    def send_400_response(self, msg: str) -> None:
        request_id = ids.new_request_id()
        body = problem_response(InvalidRequest(msg), request_id, "").content
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
