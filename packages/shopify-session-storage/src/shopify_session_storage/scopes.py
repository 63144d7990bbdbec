"""Access scopes, compared the way Shopify grants them: write access implies read access."""

import re
from collections.abc import Iterable, Iterator

from shopify_session_storage.javascript import js_trim

_WRITE = re.compile(r"(unauthenticated_)?write_(.*)")


class AuthScopes:
    """An immutable set of access scopes.

    ``write_x`` implies ``read_x``, and ``unauthenticated_write_x`` implies
    ``unauthenticated_read_x``. Implied scopes are part of what the set has, but not of what it
    lists: ``str(AuthScopes("read_products,write_products"))`` is ``"write_products"``.

    The meaning is that of ``AuthScopes`` in Shopify's ``@shopify/shopify-api``.

    Args:
        scopes: Scopes separated by commas, an iterable of scopes, other scopes, or None for none.

    Raises:
        TypeError: If *scopes* is something else.
    """

    __slots__ = ("_expanded", "_listed")

    def __init__(self, scopes: "str | Iterable[str] | AuthScopes | None" = None) -> None:
        given = dict.fromkeys(_split(scopes))
        implied = {
            f"{match[1] or ''}read_{match[2]}"
            for scope in given
            if (match := _WRITE.fullmatch(scope))
        }
        self._listed = tuple(scope for scope in given if scope not in implied)
        self._expanded = implied.union(given)

    def has(self, scopes: "str | Iterable[str] | AuthScopes | None") -> bool:
        """Tell whether all of *scopes* are granted by these ones."""
        return self._expanded.issuperset(_coerce(scopes)._listed)

    def __eq__(self, other: object) -> bool:
        """Tell whether *other*, scopes in any accepted form, grants exactly the same."""
        if not isinstance(other, AuthScopes | Iterable):
            return NotImplemented
        try:
            return self._expanded == _coerce(other)._expanded
        except TypeError:
            return NotImplemented

    # Equal to strings and lists, which hash differently or not at all.
    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the scopes that no other one implies, in the order given."""
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def __contains__(self, scope: object) -> bool:
        return scope in self._expanded

    def __str__(self) -> str:
        return ",".join(self._listed)

    def __repr__(self) -> str:
        return f"AuthScopes({str(self)!r})"


def _coerce(scopes: str | Iterable[str] | AuthScopes | None) -> AuthScopes:
    return scopes if isinstance(scopes, AuthScopes) else AuthScopes(scopes)


def _split(scopes: str | Iterable[str] | AuthScopes | None) -> list[str]:
    if scopes is None:
        return []
    if isinstance(scopes, AuthScopes):
        return list(scopes._listed)
    given = scopes.split(",") if isinstance(scopes, str) else list(scopes)
    for scope in given:
        if not isinstance(scope, str):
            raise TypeError(f"a scope must be a str, not {type(scope).__name__}")
    return [scope for scope in map(js_trim, given) if scope]
