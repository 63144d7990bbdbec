"""How early a token is due: for one that lives short, not always."""

from datetime import UTC, datetime, timedelta
from typing import Final

from shopify_session_storage.session import Session

# Nearly twice the longest time that a token is due before it ends. One that lives an hour has lost
# a second on its way, and must not be noted: there may be a million of those.
_SHORT: Final = timedelta(minutes=55)


class Lifetimes:
    """How long the tokens live that Shopify issues, as far as this process has seen, by session id.

    A token is due some time before it ends. If it lives hardly longer than that, or shorter, each
    call would refresh it; so it is due when half its life is over. A session does not say when its
    token was issued: who has asked Shopify knows, and takes the next one to live as long.
    """

    def __init__(self) -> None:
        self._lives: dict[str, timedelta] = {}

    def note(self, session: Session) -> None:
        """Note a session that Shopify has just issued."""
        self._lives.pop(session.id, None)
        if session.expires is not None:
            life = session.expires - datetime.now(UTC)
            if life < _SHORT:
                self._lives[session.id] = life

    def due(self, session: Session, before: timedelta) -> bool:
        """Tell whether it is time for the next token, that is *before* the end of this one."""
        life = self._lives.get(session.id)
        return session.is_expired(within=before if life is None else min(before, life / 2))
