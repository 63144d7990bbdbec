"""The command ``shopify-sessions``, for operators. Nothing else imports it."""

from shopify_session_storage.cli.program import main

__all__ = ["main"]
