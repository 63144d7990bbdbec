"""``python -m shopify_session_storage`` is ``shopify-sessions``."""

import sys

from shopify_session_storage.cli import main

if __name__ == "__main__":
    sys.exit(main())
