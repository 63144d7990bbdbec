"""What has become of the sessions of a copy."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

# Of so many the ids are told, and kept in the state file.
_TOLD: Final = 20


@dataclass
class Counts:
    """How many sessions came to what.

    Attributes:
        copied: Were not there, and have been written.
        replaced: Were there in an older version.
        kept: Are there in another version that stays.
        same: Were there already.
        corrupt_ids: Some of those that the source cannot read.
        failed_ids: Some of those that the target did not take, with the reason.
    """

    copied: int = 0
    replaced: int = 0
    kept: int = 0
    same: int = 0
    corrupt_number: int = 0
    failed_number: int = 0
    corrupt_ids: list[str] = field(default_factory=list)
    failed_ids: dict[str, str] = field(default_factory=dict)

    def corrupt(self, ids: Sequence[str]) -> None:
        """Count sessions that cannot be read."""
        self.corrupt_number += len(ids)
        self.corrupt_ids += ids[: _TOLD - len(self.corrupt_ids)]

    def failed(self, ids: Sequence[str], reason: str) -> None:
        """Count sessions that could not be copied."""
        self.failed_number += len(ids)
        for id in ids[: _TOLD - len(self.failed_ids)]:
            self.failed_ids[id] = reason

    def add(self, more: "Counts") -> None:
        """Count what *more* has counted."""
        for name, value in vars(more).items():
            mine = getattr(self, name)
            if isinstance(value, dict):
                mine |= dict(list(value.items())[: _TOLD - len(mine)])
            elif isinstance(value, list):
                mine += value[: _TOLD - len(mine)]
            else:
                setattr(self, name, mine + value)

    @property
    def seen(self) -> int:
        """How many sessions there were."""
        return (
            self.copied + self.replaced + self.kept + self.same
            + self.corrupt_number + self.failed_number
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Return it for a state file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read what :meth:`as_dict` has returned."""
        return cls(**data)
