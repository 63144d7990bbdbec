"""The battery as a plain function, for any runner."""

import warnings
from dataclasses import dataclass, field

from shopify_session_storage.testing.cases import CASES
from shopify_session_storage.testing.subject import (
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
    eventual_seconds: float = 0.0,
) -> BatteryReport:
    """Run every case of the battery on a storage.

    Args:
        storage_factory: Makes a further storage on one and the same backend with each call; plain
            or async. The backend need not be empty: cases use ids and shops of their own, and
            delete what they store.
        failing_storage_factory: Makes a storage whose backend cannot be reached, given the value
            for ``on_error``; plain or async. Without it the cases for failures cannot run.
        eventual_seconds: How long the backend may take until ``find_sessions_by_shop`` sees a
            change.

    Returns:
        The names of the cases that passed and of those that could not run. There is a warning,
        too, for those that lack a factory; but not for those that a storage cannot run because
        its conditional writes or leases are not the backend's, as it says itself.

    Raises:
        ExceptionGroup: If cases failed, with one error for each, which names the case and the
            promise that is broken.
    """
    report = BatteryReport()
    without_factory: list[str] = []
    failures: list[Exception] = []
    for case in CASES:
        if "failing" in case.needs and failing_storage_factory is None:
            report.not_run[case.name] = "no failing_storage_factory was given"
            without_factory.append(case.name)
            continue
        subject = Subject(
            await made_by(storage_factory),
            storage_factory=storage_factory,
            failing_storage_factory=failing_storage_factory,
            eventual_seconds=eventual_seconds,
            owned=True,
        )
        lacking = [need for need in case.needs if not subject.has(need)]
        if lacking:
            report.not_run[case.name] = f"{lacking[0]} are not the backend's"
            await subject.clean_up()
            continue
        try:
            await subject.run(case)
        except Exception as error:
            failures.append(error)
        else:
            report.passed.append(case.name)
    if without_factory:
        warnings.warn(f"cases that could not run: {', '.join(without_factory)}", stacklevel=2)
    if failures:
        names = ", ".join(
            failure.__notes__[-1].removeprefix("case ").split(":")[0] for failure in failures
        )
        raise ExceptionGroup(f"{len(failures)} of {len(CASES)} cases failed: {names}", failures)
    return report
