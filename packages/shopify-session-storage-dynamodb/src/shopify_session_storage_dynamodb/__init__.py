"""Session storage for Shopify apps in DynamoDB."""

__version__ = "1.0.0"

from shopify_session_storage_dynamodb.storage import DynamoDBSessionStorage, open_url

__all__ = ["DynamoDBSessionStorage", "open_url"]
