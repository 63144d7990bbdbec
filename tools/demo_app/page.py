"""A page that shows what is stored, without a single token."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from shopify_session_storage import AssociatedUser, AuthScopes, Session, SessionStorage

from demo_app.words import mask, when

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}

_STYLE = """
:root { color-scheme: light dark; --ground: light-dark(#f3f4f1, #15181a);
  --card: light-dark(#fff, #1e2325); --text: light-dark(#1d2422, #e4e9e6);
  --soft: light-dark(#66706c, #98a39e); --line: light-dark(#e2e6e2, #30373a);
  --brand: light-dark(#0b6b4f, #5fc9a3); --chip: light-dark(#eaf3ee, #26332e);
  --warn: light-dark(#a33a12, #f0906a); }
* { box-sizing: border-box; margin: 0 }
body { background: var(--ground); color: var(--text); padding: 2.5rem 1.25rem 3rem;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
main { max-width: 68rem; margin: auto }
header { margin-bottom: 1.75rem }
h1 { font-size: 1.6rem; line-height: 1.25; letter-spacing: -.01em }
header p, .soft { color: var(--soft) }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  margin-bottom: 1.25rem }
section > div { display: flex; gap: 1rem; align-items: baseline; justify-content: space-between;
  padding: .9rem 1.25rem }
h2 { font-size: 1.05rem }
table { width: 100%; border-collapse: collapse; table-layout: fixed }
th, td { text-align: left; vertical-align: top; padding: .7rem 1.25rem;
  border-top: 1px solid var(--line) }
th { font-size: .78rem; font-weight: 600; color: var(--soft); padding-block: .45rem }
th:first-child { width: 28% } th:nth-child(2) { width: 32% }
td { overflow-wrap: anywhere }
code { font: 13px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }
.chip { display: inline-block; background: var(--chip); color: var(--brand); border-radius: 6px;
  padding: 0 .5em; margin: 0 .25rem .25rem 0 }
.badge { font-size: .72rem; font-weight: 600; color: var(--brand); border: 1px solid;
  border-radius: 99px; padding: .05rem .5rem; margin-left: .4rem; white-space: nowrap }
.online { background: var(--brand); color: var(--card); border-color: var(--brand) }
.expired { color: var(--warn) }
small { display: block; font-size: .85rem; color: var(--soft) }
.empty { border-top: 1px solid var(--line); color: var(--soft) }
@media (max-width: 46rem) {
  tr { display: block; border-top: 1px solid var(--line); padding: .6rem 0 }
  tr:first-child { display: none }
  td { display: block; border: 0; padding-block: .15rem }
  td:empty { display: none }
  td code + small { display: inline; margin-left: .6rem }
}
"""


def add_page(app: FastAPI, storage: SessionStorage, shops: Sequence[str]) -> None:
    """Give *app* a page at ``/`` that lists the sessions of *shops*."""

    @app.get("/")
    async def page() -> HTMLResponse:
        sessions = {shop: await storage.find_sessions_by_shop(shop) for shop in shops}
        return HTMLResponse(render(sessions, type(storage).__name__), headers=_HEADERS)


def render(sessions: dict[str, list[Session]], kept_in: str) -> str:
    """Return the page.

    Args:
        sessions: The sessions of each shop.
        kept_in: The name of the storage.
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
as of {datetime.now(UTC):%H:%M:%S} UTC. Reload to look again.</p>
</header>
{cards}
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
    return (
        f"<section><div><h2>{escape(shop)}</h2>"
        f'<span class="soft">{_count(len(sessions), "session")}</span></div>{body}</section>\n'
    )


def _row(session: Session) -> str:
    info = session.online_access_info
    who = "The shop" if info is None else full_name(info.associated_user)
    note = "for background work" if info is None else info.associated_user.email or ""
    badge = "online" if session.is_online else "offline"
    scopes = "".join(
        f'<code class="chip">{escape(scope)}</code>' for scope in AuthScopes(session.scope)
    )
    return (
        f'<tr><td>{escape(who)}<span class="badge {badge}">{badge}</span>'
        f"<small>{escape(note)}</small></td>"
        f"<td>{scopes}</td>"
        f"<td>{_token(session.access_token, session.expires)}</td>"
        f"<td>{_token(session.refresh_token, session.refresh_token_expires)}</td></tr>"
    )


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


def full_name(user: AssociatedUser) -> str:
    """Return the name of *user*, or the id if there is none."""
    names = " ".join(name for name in (user.first_name, user.last_name) if name)
    return names or f"user {user.id}"


def _order(session: Session) -> tuple[bool, str]:
    return session.is_online, session.id


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
