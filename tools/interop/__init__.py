"""Shopify's official JavaScript adapters and ours, on one database."""
