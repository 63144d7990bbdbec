"""What the app keeps, and what Django may see of the sessions."""

from django.db import models


class Visit(models.Model):
    """A merchant has opened the app: Django's own data, part of the request's transaction."""

    shop = models.CharField(max_length=255)
    at = models.DateTimeField(auto_now_add=True)


class ShopifySession(models.Model):
    """The table of the storage, to look at. Django neither makes nor changes it."""

    id = models.CharField(primary_key=True, max_length=255)
    shop = models.CharField(max_length=255)
    is_online = models.BooleanField(db_column="isOnline")
    scope = models.TextField(null=True)
    expires = models.BigIntegerField(null=True)  # in seconds since the epoch
    access_token = models.TextField(db_column="accessToken", null=True)

    class Meta:
        managed = False
        db_table = "shopify_sessions"

    def __str__(self) -> str:
        return str(self.id)
