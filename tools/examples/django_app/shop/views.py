"""What the app answers."""

from datetime import datetime

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.html import escape
from django.views.decorators.csrf import csrf_exempt

from shop.models import Visit
from shop.shopify import answer, as_shopify_wants_it, ask, shopify, tokens

PATCH_ID_TOKEN_PATH = "/auth/patch-id-token"


def home(request: HttpRequest) -> HttpResponse:
    """Greet the shop of a merchant who opens the app in the admin."""
    verified = shopify.verify_app_home_req(
        as_shopify_wants_it(request), app_home_patch_id_token_path=PATCH_ID_TOKEN_PATH
    )
    result = ask("{ shop { name } }", verified)
    if not result.ok:
        return answer(result.response)
    Visit.objects.create(shop=verified.shop)
    greeting = f"Hello {escape(result.data['shop']['name'])}"
    return HttpResponse(greeting, headers=verified.response.headers)


@transaction.non_atomic_requests  # Django refuses an async view with ATOMIC_REQUESTS
async def scopes(request: HttpRequest) -> HttpResponse:
    """Tell the app's page what the shop has granted."""
    verified = shopify.verify_app_home_req(
        as_shopify_wants_it(request), app_home_patch_id_token_path=PATCH_ID_TOKEN_PATH
    )
    # In a thread: a call that blocks would hold up the event loop. WSGI makes an event loop for
    # each request, so a storage on the view's own would connect anew each time.
    token = await sync_to_async(tokens().get_or_exchange, thread_sensitive=False)(verified)
    return JsonResponse({"scope": token.scope}, headers=verified.response.headers)


def patch_id_token(request: HttpRequest) -> HttpResponse:
    """Give the browser the page that fetches an ID token."""
    return answer(shopify.app_home_patch_id_token(as_shopify_wants_it(request)).response)


@csrf_exempt  # Shopify signs it
def uninstalled(request: HttpRequest) -> HttpResponse:
    """Forget a shop. The webhook may come late: a newer install stays."""
    verified = shopify.verify_webhook_req(as_shopify_wants_it(request))
    if verified.ok and verified.shop:
        when = datetime.fromisoformat(request.headers["X-Shopify-Triggered-At"])
        tokens().delete_shop(verified.shop, installed_before=when)
    return answer(verified.response)
