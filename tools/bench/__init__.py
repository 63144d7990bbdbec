"""Ours, the bare Python drivers and the official JavaScript adapters, measured in one run."""
