"""How a mutant is made of a correct storage."""

from collections.abc import Callable

from shopify_session_storage.stored import copy_session

from .storages import DictStorage


def breaks(case: str) -> Callable[[type[DictStorage]], type[DictStorage]]:
    """Name the case that has to catch a mutant."""

    def name(mutant):
        mutant.breaks = case
        return mutant

    return name


def changed(session, **values):
    """A copy with other values, also such as a Session does not accept."""
    copy = copy_session(session)
    for name, value in values.items():
        setattr(copy, name, value)
    return copy


def with_user(session, **values):
    copy = copy_session(session)
    for name, value in values.items():
        if copy.online_access_info is not None:
            setattr(copy.online_access_info.associated_user, name, value)
    return copy
