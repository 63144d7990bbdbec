"""The battery as a plain function, for any runner."""

import warnings
from collections.abc import Collection
from dataclasses import dataclass, field

from shopify_session_storage.testing.case import Need
from shopify_session_storage.testing.cases import CASES
from shopify_session_storage.testing.differences import Difference
from shopify_session_storage.testing.subject import (
    CASE_TIMEOUT,
    Breakable,
    FailingStorageFactory,
    StorageFactory,
    Subject,
    made_by,
)


@dataclass
class BatteryReport:
    """What :func:`battery_of_tests` did.

    Attributes:
        passed: Names of the cases that passed.
        not_run: Why a case could not run, by its name.
    """

    passed: list[str] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)


async def battery_of_tests(
    storage_factory: StorageFactory,
    *,
    failing_storage_factory: FailingStorageFactory | None = None,
    breakable: Breakable | None = None,
    eventual_seconds: float = 0.0,
    case_timeout: float = CASE_TIMEOUT,
    lacks: Collection[Need] = (),
    layout_allows: Collection[Difference] = (),
) -> BatteryReport:
    """Run every case of the battery on a storage.

    Args:
        storage_factory: Makes another storage on the same backend with each call; plain or async.
            The backend need not be empty: cases use ids and shops of their own, and delete what
            they store.
        failing_storage_factory: Gets the value for ``on_error``, and makes a storage whose backend
            cannot be reached; plain or async. Without it the cases for failures cannot run.
        breakable: A backend that can be made unreachable for open storages. Without it the cases
            for outages cannot run.
        eventual_seconds: How many seconds may pass until ``find_sessions_by_shop`` sees a change.
        case_timeout: How long a case may take, in seconds. A case that takes longer fails; what it
            stored is deleted all the same.
        lacks: What this storage cannot do; cases that need it are left out. See
            :class:`SessionStorageBattery`.
        layout_allows: What the storage cannot hold, because its table belongs to another program.
            All cases still run.

    Returns:
        The names of the cases that passed and of those that could not run. If a case could not run
        because an argument is missing, there is a warning, too. There is none if *lacks* leaves the
        case out, or if the storage itself says that its conditional writes or leases are not the
        backend's, or that it cannot be walked through.

    Raises:
        ExceptionGroup: If cases failed. Each has one error, which names the case and the broken
            promise.
    """
    report = BatteryReport()
    lacking_an_argument: list[str] = []
    failures: list[Exception] = []
    for case in CASES:
        lacked = [need for need in case.needs if need in lacks]
        if lacked:
            report.not_run[case.name] = f"the storage lacks {lacked[0]}"
            continue
        subject = Subject(
            await made_by(storage_factory),
            storage_factory=storage_factory,
            failing_storage_factory=failing_storage_factory,
            breakable=breakable,
            eventual_seconds=eventual_seconds,
            case_timeout=case_timeout,
            owned=True,
            layout_allows=layout_allows,
        )
        missing = subject.missing(case)
        if missing is not None:
            report.not_run[case.name] = missing.why
            if missing.may_be_given:
                lacking_an_argument.append(case.name)
            await subject.clean_up()
            continue
        try:
            await subject.run(case)
        except Exception as error:
            failures.append(error)
        else:
            report.passed.append(case.name)
    if lacking_an_argument:
        warnings.warn(f"cases that could not run: {', '.join(lacking_an_argument)}", stacklevel=2)
    if failures:
        names = ", ".join(
            failure.__notes__[-1].removeprefix("case ").split(":")[0] for failure in failures
        )
        raise ExceptionGroup(f"{len(failures)} of {len(CASES)} cases failed: {names}", failures)
    return report
