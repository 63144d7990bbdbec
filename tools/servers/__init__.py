"""Finds or starts a real server for each backend; nothing here is a fake."""
