"""Answers of Shopify's token endpoint that are not what was asked for."""

from shopify_session_storage.testing import Fault


def error(status, name, text=""):
    return Fault(status=status, body={"error": name, "error_description": text})


def changed(**fields):
    return Fault(change=fields)
