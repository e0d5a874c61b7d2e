"""Who serves, why it may, and what served before: promotion and rollback over MLflow's aliases.

Aliases say who does what: `champion` serves, `challenger` waits for its chance, `previous` is
where a rollback goes. An alias points at one version at most, so two champions cannot exist, and
MLflow numbers the versions, so no number is used twice. Every change is an event of the history;
one process at a time makes changes (`locking`); what a killed one began is completed (`journal`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pandas as pd

from mlops_helpers.audit import history_table, status_table
from mlops_helpers.changing import Change, changing
from mlops_helpers.conditions import after_promotion, back_to, objection, refuse_role, told
from mlops_helpers.gate import Check, GateVerdict, run_checks, with_extra
from mlops_helpers.gate_checks import standard_checks
from mlops_helpers.gate_policy import GatePolicy
from mlops_helpers.journal import ALIASES
from mlops_helpers.loading import KEPT, LoadedModel, Newest, as_logged, changed_files, loaded
from mlops_helpers.runs import run_id_of
from mlops_helpers.sqlite_files import Stamp
from mlops_helpers.store_errors import StoreError
from mlops_helpers.subjects import replays, subject_of
from mlops_helpers.tracking import TrainedRun
from mlops_helpers.verdicts import keep, rows_seen
from mlops_helpers.versions import (
    RegistryError,
    UnknownModelError,
    Versions,
    checked_number,
    moment,
)

__all__ = [
    "ALIASES",
    "LoadedModel",
    "PromotionRefused",
    "Registry",
    "RegistryError",
    "StoreError",
    "UnknownModelError",
]


class PromotionRefused(RegistryError):
    """A version may not become champion; the message names the checks that refused it."""


class Registry:
    """The model `name` in the MLflow at `tracking_uri`; it is made if it is not there.

    `when` is the time that an event is recorded with (the clock's if it is not given), `by` who
    did it (at most 200 characters), `reason` why (at most 2,000). Every method raises StoreError
    if the store is locked, read-only, damaged, away or of another version of MLflow.
    """

    def __init__(self, tracking_uri: str, name: str = "credit-risk") -> None:
        """Raises RegistryError for a name MLflow cannot hold."""
        self.name, self.tracking_uri = name, tracking_uri
        self._versions = Versions(tracking_uri, name)
        self._seen: Newest[tuple[Stamp, LoadedModel]] = Newest(KEPT)

    def register(self, run: TrainedRun | str, *, when: pd.Timestamp | None = None) -> int:
        """The version made from a run (or its id); the version it has already, if it has one.

        Records with the version the digests of the model's files and of the sample, and when the
        training rows end. Raises RegistryError if the run logged no model or no digests, and
        ModelFileError if a file is not the one that the run logged.
        """
        run_id = run_id_of(run)
        with changing(self._versions, when=moment(when)) as change:
            for number, known in change.state.versions.items():
                if known.run_id == run_id:
                    return number
            found = self._versions.run(run_id)
            logged = self._versions.logged_by(found)
            tags = as_logged(self._versions, found, logged.artifact_location)
            return change.add(run_id, logged.artifact_location, logged.model_id, tags)

    def gate(
        self,
        version: int,
        rows: pd.DataFrame,
        *,
        policy: GatePolicy | None = None,
        extra: Mapping[str, Check] | None = None,
        when: pd.Timestamp | None = None,
    ) -> GateVerdict:
        """Judge a version on applications with known outcomes that no model compared has seen.

        Runs the checks of `gate_checks` with the limits of `policy` (GatePolicy() if not given) and
        then those of `extra` (a name and a function that returns a `gate.Finding`). The verdict is
        stored with the version and in the history, whatever it is. It holds until the champion
        changes or the version is judged again. Raises ValueError for an extra check that has the
        name of one of the gate's own, and TypeError for a policy or extra of another kind.
        """
        at, number = moment(when), checked_number(version)
        if not isinstance(policy or GatePolicy(), GatePolicy):
            raise TypeError(f"policy is a {type(policy).__name__}, must be a GatePolicy.")
        with self._change(number, at) as change:
            state = change.state
        champion = state.roles.get("champion")
        candidate, holder = (
            subject_of(self._versions, n) if n is not None else None for n in (number, champion)
        )
        own = standard_checks(candidate, holder, rows, policy or GatePolicy())
        findings = run_checks(with_extra(own, extra or {}))
        so_far, seen = state.champions_so_far, rows_seen(rows)
        verdict = GateVerdict(number, champion, findings, self._address, so_far, seen)
        with self._change(number, at) as change:
            verdict = keep(change, verdict)
        self._versions.state()  # kept for the promotion, which comes next
        return verdict

    def promote(
        self,
        version: int,
        verdict: GateVerdict,
        *,
        reason: str = "",
        by: str = "",
        when: pd.Timestamp | None = None,
    ) -> None:
        """Make a version the champion; the champion of before becomes `previous`.

        Raises PromotionRefused unless `verdict` is a passed one, for this version of this registry,
        the gate has not judged otherwise since, the version was not archived since, the champion
        has not changed, and the files are those that were registered: they are read once more.
        Promoting the champion again changes nothing.
        """
        note = told(by, reason)
        with self._change(version, when) as change:
            roles = change.state.roles
            champion = roles.get("champion")
            if champion == version:
                return
            refusal = objection(change.state, version, verdict, self._address)
            known = change.state.versions[version]
            if refusal := refusal or changed_files(self._versions, known):
                change.note("promotion refused", version, **note | {"reason": refusal})
                raise PromotionRefused(f"version {version} of {self.name} stays out: {refusal}")
            change.move(
                "promoted", version, after_promotion(roles, version), replaced=champion, **note
            )

    def challenge(
        self, version: int, *, reason: str = "", by: str = "", when: pd.Timestamp | None = None
    ) -> None:
        """Give a version the alias `challenger`; the champion cannot challenge itself."""
        note = told(by, reason)
        with self._change(version, when) as change:
            roles = change.state.roles
            if version == roles.get("champion"):
                raise RegistryError(
                    f"version {version} is the champion; it cannot be its challenger."
                )
            if change.state.archived(version):
                raise RegistryError(f"version {version} is archived. Restore it first.")
            if roles.get("challenger") == version:
                return
            after, before = roles | {"challenger": version}, roles.get("challenger")
            change.move("challenger", version, after, replaced=before, **note)

    def rollback(self, *, reason: str, by: str = "", when: pd.Timestamp | None = None) -> int:
        """Make the version of before champion again and return it; the alias `previous` is gone.

        That is who served before, also if the champion was moved in MLflow itself since. If it is
        the challenger it is so no longer.

        The restored version is read first, digest and types checked, and must reproduce its stored
        predictions: a rollback that cannot serve is refused and changes nothing. Raises
        RegistryError if there is no previous version, and ValueError without a reason.
        """
        note = told(by, reason, needed="roll back")
        with changing(self._versions, when=moment(when)) as change:
            roles = change.state.roles
            champion, restored = roles.get("champion"), back_to(change.state)
            if restored is None or restored == champion:
                raise RegistryError(
                    f"{self.name} has no previous version to roll back to (champion: {champion}). "
                    "Pass another version through the gate and promote it."
                )
            ((_, found),) = run_checks({"reproduces": lambda: replays(self._versions, restored)})
            if not found.passed:
                words = f"version {restored} cannot serve: {found.evidence}".rstrip(".")
                change.note("rollback refused", restored, **note | {"reason": words})
                raise RegistryError(f"{words}. The champion stays version {champion}.")
            after = {a: v for a, v in roles.items() if a != "previous" and v != restored}
            after |= {"champion": restored}
            change.move("rolled back", restored, after, replaced=champion, **note)
        return restored

    def archive(
        self, version: int, *, reason: str, by: str = "", when: pd.Timestamp | None = None
    ) -> None:
        """Put a version aside: it stays loadable, and cannot be promoted until it is restored.

        The challenger loses its alias. Raises RegistryError for the champion and the previous
        version, which a rollback may need, and ValueError without a reason.
        """
        note = told(by, reason, needed="archive it")
        with self._change(version, when) as change:
            roles = change.state.roles
            refuse_role(version, roles, ("champion", "previous"), "archived")
            if change.state.archived(version):
                return
            if roles.get("challenger") == version:
                after = {a: v for a, v in roles.items() if a != "challenger"}
                change.move("archived", version, after, **note)
            else:
                change.note("archived", version, **note)

    def restore(
        self, version: int, *, reason: str = "", by: str = "", when: pd.Timestamp | None = None
    ) -> None:
        """Take an archived version back; to be promoted it needs a verdict reached since."""
        note = told(by, reason)
        with self._change(version, when) as change:
            if change.state.archived(version):
                change.note("restored", version, **note)

    def delete(
        self, version: int, *, reason: str, by: str = "", when: pd.Timestamp | None = None
    ) -> None:
        """Delete a version for good; the history still tells it and its number is not used again.

        The files stay with the run that logged them. Raises RegistryError for a version with an
        alias, and ValueError without a reason.
        """
        note = told(by, reason, needed="delete it")
        with self._change(version, when) as change:
            refuse_role(version, change.state.aliases, ALIASES, "deleted")
            change.delete(version, **note)

    def load(self, which: str | int = "champion") -> LoadedModel:
        """The model behind an alias, or a version: its digest checked, with reviewed types only.

        The same object comes back until the alias moves, and is shared by all who load the version
        in this process (see LoadedModel); the file is read and checked at the first load. Raises
        UnknownModelError if there is no such version, RegistryError if it was not registered here,
        and ModelFileError if its file is not the one that was.
        """
        asked = which if isinstance(which, str) else checked_number(which)
        stamp = self._versions.stamp()
        known = self._seen.get(asked) if stamp else None
        if known and known[0] == stamp:
            return known[1]
        number = self.version_of(asked) if isinstance(asked, str) else asked
        if number is None:
            held = self._versions.aliases()
            raise UnknownModelError(
                f"no version of {self.name} is {which!r} now; aliases in use: {held or 'none'}. "
                "Promote a version first."
            )
        model = loaded(self._versions, self._versions.get(number))
        if stamp and self._versions.stamp() == stamp:  # else somebody wrote while we asked
            self._seen.put(asked, (stamp, model))
        return model

    def version_of(self, alias: str) -> int | None:
        """The version that holds an alias now, or None; UnknownModelError if it is no alias."""
        if alias not in ALIASES:
            near = difflib.get_close_matches(str(alias), ALIASES, n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            hint = " A version is a number without quotes." if str(alias).isdecimal() else hint
            raise UnknownModelError(f"alias == {alias!r}, must be one of {list(ALIASES)}.{hint}")
        return self._versions.roles().get(alias)

    def history(self) -> pd.DataFrame:
        """The audit trail, oldest first: `event, version, replaced, when, by, reason`.

        The index is the event's number. An alias that somebody moved in MLflow itself is `moved
        outside`, told when it was noticed, which is at the next change.
        """
        return history_table(self._versions.events())

    def status(self) -> pd.DataFrame:
        """A row a version, oldest first: alias, run name, holdout AUC with interval, gate, …"""
        return status_table(self._versions)

    @contextmanager
    def _change(self, version: int, when: pd.Timestamp | None) -> Iterator[Change]:
        """The lock, and a version that must exist."""
        number, at = checked_number(version), moment(when)
        with changing(self._versions, when=at) as change:
            change.has(number)
            yield change

    @property
    def _address(self) -> tuple[str, str]:
        return self.name, self.tracking_uri
