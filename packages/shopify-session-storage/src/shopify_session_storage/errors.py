"""The errors that a session storage raises."""


class SessionStorageError(Exception):
    """Base of every error that a session storage raises on purpose.

    The driver's own error, where there is one, is the ``__cause__``. No message carries a token.
    """


class InvalidSessionError(SessionStorageError, ValueError):
    """A session that cannot be stored, or data that cannot be turned into a session.

    Raised before anything is sent to the backend.
    """


class CorruptSessionError(SessionStorageError):
    """Stored data that cannot be read as a session. The stored data is left as it is.

    Attributes:
        id: The id under which it is stored, or None if it is about something else, such as a
            shop's list.
    """

    def __init__(self, *args: object, id: object = None) -> None:
        super().__init__(*args)
        self.id = id if isinstance(id, str) else None


class MigrationError(SessionStorageError):
    """The backend could not be created or brought up to date."""


class SessionStorageUnavailableError(SessionStorageError):
    """The backend cannot be reached or cannot serve; whether a write took place is unknown."""
