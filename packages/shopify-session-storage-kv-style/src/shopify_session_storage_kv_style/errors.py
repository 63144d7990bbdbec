"""What failures of a namespace mean, and how they are worded."""

from typing import TYPE_CHECKING, Final

from shopify_session_storage import Verdict

if TYPE_CHECKING:
    import httpx

# Messages are in words of our own: the API's may repeat what they complain of.
_BY_CODE: Final = {
    7000: "the API has no such path",
    7003: "there is no such account or namespace",
    10013: "there is no such namespace",
    10048: "the daily limit of the free plan is reached",
}
_BY_STATUS: Final = {
    401: "the API token is not accepted",
    403: "the API token is not accepted for this account, or may not edit Workers KV Storage",
    413: "too large",
    429: "too many requests",
}


class KVNamespaceError(Exception):
    """A namespace failed. The message shows no stored value."""


class CloudflareKVError(KVNamespaceError):
    """Cloudflare's API cannot be reached, or refuses a request.

    Attributes:
        status: The HTTP status, None without an answer.
        code: Cloudflare's error code, None without one.
    """

    def __init__(self, message: str, status: int | None = None, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


# By the HTTP status of Cloudflare's API. All else is unavailable: 5xx, 404, a daily limit (400).
_VERDICTS: Final = {
    None: Verdict.LOST,  # no answer
    401: Verdict.DENIED,
    403: Verdict.DENIED,
    413: Verdict.DATA,
    # It has been waited for, as Retry-After says, and tried again: cloudflare.py. What is called a
    # conflict is sent once more call by call, which would be far more requests.
    429: Verdict.UNAVAILABLE,
}


def verdict(error: Exception) -> Verdict:
    """Tell what an error of a namespace means."""
    if isinstance(error, CloudflareKVError):
        return _VERDICTS.get(error.status, Verdict.UNAVAILABLE)
    return Verdict.LOST if isinstance(error, ConnectionError) else Verdict.UNAVAILABLE


def refusal(response: "httpx.Response") -> CloudflareKVError:
    """Return the error for an answer that is none of success."""
    try:
        code = response.json()["errors"][0]["code"]
    except (ValueError, LookupError, TypeError):
        code = None
    if not isinstance(code, int):
        code = None
    status = response.status_code
    reason = _BY_CODE.get(code or 0) or _BY_STATUS.get(status) or ""
    text = f"HTTP {status}" if code is None else f"HTTP {status}, code {code}"
    return CloudflareKVError(f"{text}{reason and ': '}{reason}", status, code)


def not_of_the_api() -> CloudflareKVError:
    """Return the error for an answer that the API would not give."""
    return CloudflareKVError("the answer does not come from Cloudflare's API", 200)
