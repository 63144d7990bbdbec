"""Redis' protocol, RESP2 and RESP3: packs commands and reads answers."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import redis.exceptions as errors
from redis.asyncio.connection import DefaultParser

from shopify_session_storage_redis.scripts import Command

_BULK, _VERBATIM, _MAP, _PUSH = b"$=%>"
_TEXT, _ERROR, _INTEGER, _BIG, _NULL, _DOUBLE, _FLAG = b"+-:(_,#"
_BULKS: Final = b"$=!"  # with their length in front: plain, verbatim, an error
_AGGREGATES: Final = b"*~%>"


def pack(commands: Iterable[Command]) -> bytes:
    """Return what to send for *commands*, each of which is made of bytes, str and int."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for word in command:
            if type(word) is not bytes:
                word = str(word).encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(word), word))
    return b"".join(parts)


class Answers:
    """Reads answers from what arrives, wherever it is cut, in time that grows with its length."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of what has not been read to its end
        self._size = 0
        self._wanted = 0  # how much of that there must be to go on
        self._open: list[tuple[int, int, list[Any]]] = []  # kind, how many values, those so far

    def read(self, data: bytes) -> list[Any]:
        """Return the answers that are complete with *data*, in order.

        What a server tells without having been asked (a push of RESP3) is left out. An error is
        given as redis-py's exception; a map as a dict, a set as a list.

        Raises:
            InvalidResponse: If it is not the protocol.
        """
        if self._pieces:
            self._pieces.append(data)
            self._size += len(data)
            if self._size < self._wanted:
                return []
            data = b"".join(self._pieces)
        answers: list[Any] = []
        position = wanted = -1
        with suppress(ValueError, TypeError):  # TypeError: a key of a map that is a list
            position, wanted = self._read(data, answers)
        if position < 0:  # not inside the handler: that error may hold a part of a value
            raise errors.InvalidResponse("the answer is not Redis' protocol")
        self._pieces = [data[position:]] if position < len(data) else []
        self._size = len(data) - position
        self._wanted = wanted
        return answers

    def _read(self, data: bytes, answers: list[Any]) -> tuple[int, int]:
        """Read as far as possible.

        Returns:
            Where the rest begins, and how long it must be for the next value.
        """
        find, length, still_open = data.find, len(data), self._open
        position = 0
        while True:
            end = find(b"\r\n", position)
            if end < 0:
                return position, length - position + 1
            kind = data[position]
            start = end + 2
            value: Any
            if kind in _BULKS:
                size = int(data[position + 1 : end])
                stop = start + size
                if size < 0:
                    value = None
                elif stop + 2 > length:
                    return position, stop + 2 - position
                else:
                    value = data[start:stop]
                    start = stop + 2
                    if kind != _BULK:
                        value = _special(kind, value)
            elif kind in _AGGREGATES:
                count = int(data[position + 1 : end]) * (2 if kind == _MAP else 1)
                if count > 0:
                    still_open.append((kind, count, []))
                    position = start
                    continue
                value = None if count < 0 else _aggregate(kind, [])
            else:
                value = _simple(kind, data[position + 1 : end])
            position = start
            while still_open:
                kind, count, values = still_open[-1]
                values.append(value)
                if len(values) < count:
                    break
                still_open.pop()
                value = _aggregate(kind, values)
            else:
                if kind != _PUSH:
                    answers.append(value)


def _aggregate(kind: int, values: list[Any]) -> Any:
    if kind == _MAP:
        return dict(zip(values[::2], values[1::2], strict=True))
    return values


def _special(kind: int, value: bytes) -> Any:
    return value[4:] if kind == _VERBATIM else _error(value)


def _simple(kind: int, value: bytes) -> Any:
    if kind in (_INTEGER, _BIG):
        return int(value)
    if kind == _ERROR:
        return _error(value)
    if kind == _TEXT:
        return value
    if kind == _NULL:
        return None
    if kind == _DOUBLE:
        return float(value)
    if kind == _FLAG:
        return value == b"t"
    raise ValueError


def _error(text: bytes) -> Exception:
    words = text.decode(errors="replace")
    error: Exception
    try:
        error = DefaultParser.parse_error(words)  # type: ignore[no-untyped-call]
    except ValueError:  # it moves to nowhere
        error = errors.ResponseError(words)
    return error
