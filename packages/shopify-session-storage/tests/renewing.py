"""New tokens for a shop, from the endpoint alone."""

from shopify_session_storage.access_tokens import session_from_access_token


async def renew(endpoint, fake, shop):
    return await endpoint.renew(session_from_access_token(fake.install(shop)))
