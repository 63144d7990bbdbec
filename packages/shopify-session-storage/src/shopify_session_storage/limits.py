"""The limits of what every backend can hold."""

from datetime import UTC, datetime, timedelta
from typing import Final

from shopify_session_storage.javascript import EPOCH

MAX_KEY_CHARACTERS: Final = 255
MAX_KEY_BYTES: Final = 500
"""Of UTF-8. Cloudflare KV allows 512 bytes, of which ``shop:`` takes five."""

MAX_SESSION_BYTES: Final = 300_000
"""Of all text in UTF-8. DynamoDB allows 400 kB for a whole item."""

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that JavaScript keeps exactly."""

# Layouts in whole seconds read a smaller one as 0, which means "no date" to JavaScript.
FIRST_DATE: Final = EPOCH + timedelta(seconds=1)
LAST_DATE: Final = datetime.max.replace(microsecond=999_000, tzinfo=UTC)

RESERVED_IDS: Final = frozenset({"migrations", ".", ".."})
