"""Where the app answers."""

from django.contrib import admin
from django.urls import path

from shop import views

urlpatterns = [
    path("app", views.home),
    path("api/scopes", views.scopes),
    path(views.PATCH_ID_TOKEN_PATH.removeprefix("/"), views.patch_id_token),
    path("webhooks/app/uninstalled", views.uninstalled),
    path("admin/", admin.site.urls),
]
