"""Copying all sessions of a storage into another one."""
