"""One storage for all SQL databases, in the layout of Shopify's official adapters."""
