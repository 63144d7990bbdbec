"""The errors about access tokens: told apart, picklable, with the shop and without a token."""

import copy
import pickle
import traceback
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

import pytest
from shopify_app import Res, ShopifyApp
from shopify_session_storage import Session
from shopify_session_storage.access_tokens import (
    AccessTokenError,
    MalformedTokenResponse,
    ReauthorizationRequired,
    RequestNotVerified,
    ShopUnavailable,
    TokenRefreshUnavailable,
    access_token_from_session,
)
from shopify_session_storage.access_tokens.arguments import check_verified
from shopify_session_storage.testing import FakeShopify

DOMAIN = "alpha.myshopify.com"

ANSWER = Res(status=401, body="", headers={"X-Shopify-Retry-Invalid-Session-Request": "1"})
SESSION = Session(
    id=f"offline_{DOMAIN}", shop=DOMAIN, state="", is_online=False, access_token="shpat_1"
)
ERRORS = [
    AccessTokenError("it failed", shop=DOMAIN, response=ANSWER, status=500),
    ReauthorizationRequired("it is over", shop=DOMAIN, status=401),
    TokenRefreshUnavailable(
        "later",
        shop=DOMAIN,
        status=429,
        access_token=access_token_from_session(SESSION),
        retry_after=timedelta(seconds=3),
    ),
    ShopUnavailable("closed", shop=DOMAIN, status=404),
    MalformedTokenResponse("not complete", shop=DOMAIN, fields=("scope",), status=200),
    RequestNotVerified("expired_id_token", "The ID token has expired.", response=ANSWER),
]


def fail_with(number):
    raise ERRORS[number]


def same(one, other):
    assert type(one) is type(other)
    assert str(one) == str(other)
    assert one.args == other.args
    assert vars(one) == vars(other)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_can_be_copied_and_pickled(error):
    same(pickle.loads(pickle.dumps(error)), error)
    same(copy.copy(error), error)
    same(copy.deepcopy(error), error)
    assert isinstance(error, AccessTokenError)
    assert str(error)
    assert "shpat" not in "".join(traceback.format_exception(error))


def test_comes_out_of_a_process_pool():
    with ProcessPoolExecutor(1) as pool:
        for number, error in enumerate(ERRORS):
            with pytest.raises(type(error)) as caught:
                pool.submit(fail_with, number).result(30)
            caught.value.__cause__ = None
            assert (caught.value.shop, caught.value.status) == (error.shop, error.status)
            assert str(caught.value) == str(error)


def test_a_request_that_is_not_verified_says_why():
    shopify = ShopifyApp("id", "a-client-secret-that-is-long-enough")
    request = {"method": "GET", "url": "https://app.example/?shop=a", "headers": {}, "body": ""}
    for path, reason, status in (
        ("/auth/patch-id-token", "redirect_to_patch_id_token_page", 302),
        ("", "configuration_error", 500),
    ):
        verified = shopify.verify_app_home_req(request, app_home_patch_id_token_path=path)
        with pytest.raises(RequestNotVerified, match="the request is not verified") as caught:
            check_verified(verified)
        assert isinstance(caught.value, ValueError)
        assert (caught.value.reason, caught.value.response) == (reason, verified.response)
        assert reason in str(caught.value)
        assert caught.value.response.status == status
    for nothing in (None, "alpha", {}, 5, [], request):
        with pytest.raises(TypeError, match="verify_app_home_req"):
            check_verified(nothing)
    check_verified(FakeShopify().verified("alpha"))
