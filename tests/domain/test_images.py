"""What is stored of a request."""

from __future__ import annotations

import msgspec

from imagegate.domain.images import ImageOrder, Size, request_fingerprint

ORDER = ImageOrder("gpt-image-2", "gpt-image-2", "a fox", Size("1:1", 1024, 1024, assumed=False), "low", 1)


def test_a_request_that_is_not_traced_is_stored_as_before_and_a_traced_one_is_the_same_body() -> None:
    """Versions that run side by side compare fingerprints."""
    traced = msgspec.structs.replace(ORDER, trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    assert "trace" not in msgspec.json.decode(msgspec.json.encode(ORDER))
    assert msgspec.json.decode(msgspec.json.encode(traced), type=ImageOrder) == traced
    assert (
        request_fingerprint(traced)
        == request_fingerprint(ORDER)
        == "cca8c13584c8aad25f6c6c2489358aab1847e32d9de0107eb9e530ccd1d7fe5a"
    )
