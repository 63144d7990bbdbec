"""The sessions in Django's admin: to be read, with masked tokens."""

from datetime import UTC, datetime

from django.contrib import admin
from django.http import HttpRequest

from shop.models import ShopifySession


@admin.register(ShopifySession)
class ShopifySessionAdmin(admin.ModelAdmin):
    """Shows sessions. To change one, use the storage."""

    list_display = ("id", "shop", "is_online", "valid_until", "token")
    fields = ("id", "shop", "is_online", "scope", "valid_until", "token")
    search_fields = ("shop",)

    def valid_until(self, session: ShopifySession) -> datetime | None:
        """Return when the access token expires."""
        return None if session.expires is None else datetime.fromtimestamp(session.expires, UTC)

    def token(self, session: ShopifySession) -> str:
        """Return the last characters of the access token."""
        return f"…{session.access_token[-4:]}" if session.access_token else "-"

    def has_add_permission(self, _: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, _: HttpRequest, obj: object = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, _: HttpRequest, obj: object = None) -> bool:
        """Nobody."""
        return False
