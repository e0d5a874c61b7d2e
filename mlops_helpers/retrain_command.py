"""The command `retrain`: the standing state, the rows, one retraining, its words and exit code."""

from __future__ import annotations

import sys
from collections.abc import Collection

import pandas as pd

from mlops_helpers.contracts import ContractError
from mlops_helpers.data import load_arriving
from mlops_helpers.log_store import LogError
from mlops_helpers.model_files import ModelFileError
from mlops_helpers.places import WorkspaceError, check_seed, find_applications, outputs_folder
from mlops_helpers.registry import Registry, RegistryError
from mlops_helpers.report import renew_retrainings
from mlops_helpers.retrain_inputs import (
    Order,
    RetrainRefused,
    checked_columns,
    checked_date,
    checked_rows,
)
from mlops_helpers.retrain_place import AtWork, RetrainPlace, open_place
from mlops_helpers.retrain_step import retrain
from mlops_helpers.retrain_told import summary
from mlops_helpers.training_windows import TrainingWindow

__all__ = ["AT_WORK", "FAILED", "REFUSED", "run_retraining"]

FAILED, REFUSED, AT_WORK = 1, 2, 5


def run_retraining(
    as_of: str,
    *,
    data: str,
    seed: int,
    outputs: str,
    window: str,
    accepted: Collection[str] = (),
) -> int:
    """Retrain as of a day and print what came of it; the exit code comes back.

    The summary goes to stdout; one sentence to stderr if it was refused, failed, or another is at
    work. The simulated world has dates of its own; those of a file are held against the clock.
    """
    now = pd.Timestamp.now(tz="UTC")
    try:
        check_seed(seed)
        columns = checked_columns(accepted)
        applications = find_applications(data)
        arrived = load_arriving(applications, seed=seed)
        today = None if arrived.simulated else now
        day = checked_date(as_of, today=today)
        checked_rows(Order(arrived.frame, day, today=today))  # before phases are run for nothing
        place = open_place(applications=data, seed=seed, outputs=outputs)
    except (RetrainRefused, ContractError, WorkspaceError) as error:
        return _leave(str(error), REFUSED)
    try:
        result = retrain(
            place,
            arrived.frame,
            as_of=day,
            seed=seed,
            window=TrainingWindow(kind=window),
            accepted=columns,
            today=today,
        )
    except AtWork as error:
        return _leave(str(error), AT_WORK)
    except RetrainRefused as error:
        return _leave(str(error), REFUSED)
    except (RegistryError, LogError, ModelFileError, OSError) as error:
        return _leave(
            f"The retraining as of {as_of} failed: {str(error).rstrip('.')}. {_serving(place)}; "
            "what was done is kept, and the next call goes on from there.",
            FAILED,
        )
    finally:
        _renew_page(outputs)
    print(summary(result))
    if result.unpublished:
        print(f"The report was not renewed: {result.unpublished}", file=sys.stderr)
    return result.exit_code


def _serving(place: RetrainPlace) -> str:
    """Who serves after a failure: it may have come after the promotion."""
    try:
        version = Registry(place.tracking_uri, place.name).version_of("champion")
    except (RegistryError, OSError):
        return "The registry does not say who serves now"
    return f"Version {version} serves" if version else "No version serves"


def _renew_page(outputs: str) -> None:
    """Bring the page up to date, also after a failure; that it cannot be is no failure."""
    try:
        renew_retrainings(outputs_folder(outputs))
    except (OSError, ValueError, WorkspaceError) as error:
        print(f"The report was not renewed: {error}", file=sys.stderr)


def _leave(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
