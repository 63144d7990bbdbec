"""A page that shows what is stored, without a single token, and lets things happen."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from shopify_session_storage import AuthScopes, Session

from demo_app.actions import WORDS, Actions
from demo_app.shopify import Shop
from demo_app.words import full_name, mask, when

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    ),
}

_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def add_page(app: FastAPI, actions: Actions, shops: Sequence[Shop]) -> None:
    """Give *app* a page at ``/`` that shows the sessions of *shops*, with buttons for *actions*."""
    storage, by_name = actions.storage, {shop.name: shop for shop in shops}

    @app.get("/")
    async def page() -> HTMLResponse:
        sessions = {shop.domain: await storage.find_sessions_by_shop(shop.domain) for shop in shops}
        text = render(sessions, type(storage).__name__, actions.story())
        return HTMLResponse(text, headers=_HEADERS)

    @app.post("/demo/{name}/{shop}")
    async def act(name: str, shop: str, request: Request) -> Response:
        # A page of another site may send forms here, too.
        if request.headers.get("origin") != f"http://{request.headers.get('host')}":
            return Response("Only from the page itself", status_code=403)
        if name not in WORDS or shop not in by_name:
            return Response(status_code=404)
        await actions.run(name, by_name[shop])
        return RedirectResponse(f"/#{by_name[shop].domain}", status_code=303)


def render(sessions: dict[str, list[Session]], kept_in: str, story: str) -> str:
    """Return the page.

    Args:
        sessions: The sessions of each shop.
        kept_in: The name of the storage.
        story: What has happened, newest first.
    """
    count = sum(map(len, sessions.values()))
    shops = sum(map(bool, sessions.values()))
    cards = "".join(_card(shop, found) for shop, found in sessions.items())
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Stored sessions</title>
<style>{_STYLE}</style>
<main>
<header>
<h1>Stored sessions</h1>
<p>{_count(count, "session")} of {_count(shops, "shop")} in {escape(kept_in)},
as of {datetime.now(UTC):%H:%M:%S} UTC.
Let something happen to a shop, and see what the app does.</p>
</header>
<div>
{cards}</div>
<aside><h2>What has happened</h2><pre>{escape(story)}</pre></aside>
</main>
</html>
"""


def _card(shop: str, sessions: list[Session]) -> str:
    if sessions:
        rows = "".join(_row(session) for session in sorted(sessions, key=_order))
        body = (
            "<table><tr><th>Session</th><th>Scopes</th><th>Access token</th>"
            f"<th>Refresh token</th></tr>{rows}</table>"
        )
    else:
        body = '<div class="empty">Nothing is stored for this shop.</div>'
    name = escape(shop.partition(".")[0])
    buttons = "".join(
        f'<button formaction="/demo/{action}/{name}">{escape(text)}</button>'
        for action, text in WORDS.items()
    )
    return (
        f'<section id="{escape(shop)}"><div><h2>{escape(shop)}</h2>'
        f'<span class="soft">{_count(len(sessions), "session")}</span></div>{body}'
        f'<form method="post">{buttons}</form></section>\n'
    )


def _row(session: Session) -> str:
    info = session.online_access_info
    who = "The shop" if info is None else full_name(info.associated_user)
    note = "for background work" if info is None else info.associated_user.email or ""
    badge = "online" if session.is_online else "offline"
    mark = f'<span class="badge {badge}">{badge}</span>'
    refresh_token = _token(session.refresh_token, session.refresh_token_expires)
    scopes = "".join(
        f'<code class="chip">{escape(scope)}</code>' for scope in AuthScopes(session.scope)
    )
    return (
        f"<tr>{_cell('Session', f'{escape(who)}{mark}<small>{escape(note)}</small>')}"
        f"{_cell('Scopes', scopes)}"
        f"{_cell('Access token', _token(session.access_token, session.expires))}"
        f"{_cell('Refresh token', refresh_token)}</tr>"
    )


def _cell(label: str, content: str) -> str:
    """Return a cell; on a phone its label stands beside it."""
    return f'<td data-label="{label}"><div>{content}</div></td>' if content else "<td></td>"


def _token(token: str | None, expires: datetime | None) -> str:
    if not token:
        return ""
    words = when(expires)
    if words == "never":
        note = "<small>never expires</small>"
    elif words.startswith("expired"):
        note = f'<small class="expired">{words}</small>'
    else:
        note = f"<small>expires {words}</small>"
    return f"<code>{escape(mask(token))}</code>{note}"


def _order(session: Session) -> tuple[bool, str]:
    return session.is_online, session.id


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
