"""The five calls that every storage has, for one session."""

from shopify_session_storage.testing.sessions import offline_session

SHOP = "a.myshopify.com"
SESSION = offline_session(SHOP)


def five_calls(storage):
    return [
        ("store", lambda: storage.store_session(SESSION), False),
        ("load", lambda: storage.load_session(SESSION.id), None),
        ("delete", lambda: storage.delete_session(SESSION.id), False),
        ("delete", lambda: storage.delete_sessions([SESSION.id]), False),
        ("find", lambda: storage.find_sessions_by_shop(SHOP), []),
    ]
