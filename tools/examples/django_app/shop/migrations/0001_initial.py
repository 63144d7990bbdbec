"""The tables: Django's own, and the storage's, which it makes and migrates by itself."""

from django.db import migrations, models

from shop.shopify import storage


def make_sessions(*_: object) -> None:
    """Let a deployment make the table of the sessions, rather than the first request."""
    storage().ready()


class Migration(migrations.Migration):
    """The first."""

    operations = [
        migrations.CreateModel(
            name="Visit",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("shop", models.CharField(max_length=255)),
                ("at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="ShopifySession",
            fields=[
                ("id", models.CharField(primary_key=True, max_length=255)),
                ("shop", models.CharField(max_length=255)),
                ("is_online", models.BooleanField(db_column="isOnline")),
                ("scope", models.TextField(null=True)),
                ("expires", models.BigIntegerField(null=True)),
                ("access_token", models.TextField(db_column="accessToken", null=True)),
            ],
            options={"managed": False, "db_table": "shopify_sessions"},
        ),
        migrations.RunPython(make_sessions, migrations.RunPython.noop),
    ]
