"""The trials of a search, in an SQLite file that several processes of one machine share (Optuna's).

Who takes a trial signs it, and holds a lock as long as the process lives: a trial whose process is dead is
kept as failed, and its options are tried again. The sampler draws by (seed, number of the trial) and what
is known by then, so a search in one process gives the same trials whether it is stopped in between or not.
"""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

from bertkit.errors import OutputError, RunError
from bertkit.locks import held, holder_of, one_at_a_time
from bertkit.scale.search import Dimension, Space

DATABASE, CLAIM, PROCESSES = "study.db", ".claim.lock", ".processes"
NAME = "bertkit"
# States, as people and trials.csv have them.
DONE, PRUNED, FAILED, RUNNING = "done", "pruned", "failed", "running"
# Trials drawn at random before the sampler goes by what it has seen, and before one is pruned; none is in
# its first epoch.
_RANDOM, _UNPRUNED = 8, 4
# Of a file that another process writes, seconds until that is given up.
_PATIENCE_S = 120
# Attributes of a trial.
_DEFAULT, _PROCESS, _REASON, _SECONDS, _AGAIN = "default", "process", "reason", "seconds", "ended"


@dataclass(frozen=True)
class Trial:
    """One trial.

    `options` are those that were varied; `value` is the validation figure, `epochs` how many were scored.
    `is_default` is the model's recipe as it is. `was_ended` tells that its process died.
    """

    number: int
    state: str
    value: float | None
    options: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    epochs: int = 0
    reason: str = ""
    is_default: bool = False
    was_ended: bool = False


class Study:
    """A search in a folder.

    Args:
        folder: where it lies; made by whoever begins it.
        space: what may be varied.
        recipe: options of the default recipe, of those that are varied; the first trial is of these.
        is_rising: whether more is better.
        seed: of the sampler.
        prunes: whether trials that lag behind end early.

    Raises:
        OutputError: the folder has a name that SQLite's address cannot hold.
        RunError: what is there is no study.
    """

    def __init__(
        self, folder: Path, space: Space, recipe: Mapping[str, Any], *, is_rising: bool, seed: int, prunes: bool
    ) -> None:
        import optuna

        if set("?#%") & set(str(folder.resolve())):
            raise OutputError(f"--output {folder}: SQLite's address cannot have ?, # or %; choose another folder.")
        self.folder, self.space, self.recipe, self.is_rising, self.seed = folder, space, dict(recipe), is_rising, seed
        # A number alone may be that of a process that has died.
        self._signature = f"{os.getpid()}-{platform.node()}-{token_hex(4)}"
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED, n_warmup_steps=2)
        with self._alone(), _unwarned():
            try:
                self._study = optuna.create_study(
                    storage=optuna.storages.RDBStorage(
                        f"sqlite:///{(folder / DATABASE).resolve()}",
                        engine_kwargs={"connect_args": {"timeout": _PATIENCE_S}},
                    ),
                    pruner=pruner if prunes else optuna.pruners.NopPruner(),
                    study_name=NAME,
                    direction="maximize" if is_rising else "minimize",
                    load_if_exists=True,
                )
            except Exception as error:
                if type(error).__module__.partition(".")[0] not in ("sqlalchemy", "optuna", "alembic"):
                    raise
                raise RunError(f"{folder / DATABASE}: is not a readable study; begin in another folder.") from error
            if not self._study.trials:
                known = {name: value for name, value in self.recipe.items() if self.space[name].holds(value)}
                self._study.enqueue_trial(known, user_attrs={_DEFAULT: True})

    @contextmanager
    def process(self) -> Iterator[None]:
        """Be known as alive in the body."""
        folder = self._process_folder(self._signature)
        with held(folder, folder):
            yield

    def claim(self, most: int | None) -> Claim | None:
        """Take the next trial; None where `most` have been taken by whomever.

        Those whose process died do not count, for they are tried again.
        """
        import optuna

        with self._alone(), _unwarned():
            self._recover()
            taken = [t for t in self._study.trials if t.state.name != "WAITING" and _AGAIN not in t.user_attrs]
            if most is not None and len(taken) >= most:
                return None
            self._study.sampler = optuna.samplers.TPESampler(
                seed=(self.seed * 1_000_003 + len(self._study.trials)) % 2**32,
                n_startup_trials=_RANDOM,
                multivariate=True,
                constant_liar=True,
            )
            trial = self._study.ask()
            trial.set_user_attr(_PROCESS, self._signature)
            is_default = bool(trial.user_attrs.get(_DEFAULT))
            if is_default:  # of its options those that the space holds are known to the sampler
                for name, value in self.recipe.items():
                    if self.space[name].holds(value):
                        _suggest(trial, self.space[name])
                return Claim(self._study, trial, {}, is_default=True)
            return Claim(self._study, trial, {name: _suggest(trial, one) for name, one in self.space.items()})

    def trials(self) -> list[Trial]:
        """List the trials that have begun, by number."""
        return [self._trial(one) for one in self._study.trials if one.state.name != "WAITING"]

    def others_at_work(self) -> bool:
        """Tell whether a trial runs in another living process."""
        with self._alone():
            self._recover()
            return any(t.state.name == RUNNING.upper() for t in self._study.trials)

    def best(self) -> Trial | None:
        """Return the best trial that is done, of equals the earliest; None where none is."""
        done = [one for one in self.trials() if one.state == DONE and one.value is not None]
        sign = -1 if self.is_rising else 1
        return min(done, key=lambda one: (sign * float(one.value or 0.0), one.number), default=None)

    def importances(self) -> dict[str, float]:
        """Return how much of the variance of the values each option explains (fANOVA), the most first; empty: unknown.

        Of few trials it says little, and of fewer than eight nothing.
        """
        import optuna
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        # Of the default recipe the study knows only what the space holds; the rest would count for no trial then.
        whole = [
            one for one in self._study.trials if one.state.name == "COMPLETE" and self.space.keys() <= one.params.keys()
        ]
        if len(whole) < _RANDOM or len({one.value for one in whole}) < 2:
            return {}
        with _unwarned():
            study = optuna.create_study(direction="maximize" if self.is_rising else "minimize")
            study.add_trials(whole)
            try:
                found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=self.seed))
            except (ValueError, RuntimeError, ImportError):  # no option varies
                return {}
        return {name: float(share) for name, share in found.items()}

    def _trial(self, one: Any) -> Trial:
        state = {"COMPLETE": DONE, "PRUNED": PRUNED, "FAIL": FAILED, "RUNNING": RUNNING}[one.state.name]
        attrs, is_default = one.user_attrs, bool(one.user_attrs.get(_DEFAULT))
        return Trial(
            number=one.number,
            state=state,
            value=one.value if state == DONE else None,
            options=dict(self.recipe) if is_default else {name: _value(one.params.get(name)) for name in self.space},
            seconds=attrs.get(_SECONDS),
            epochs=len(one.intermediate_values),
            reason=str(attrs.get(_REASON, "")),
            is_default=is_default,
            was_ended=_AGAIN in attrs,
        )

    def _recover(self) -> None:
        """Keep as failed what dead processes have left, and put their options first in the queue."""
        from optuna.trial import TrialState

        for one in self._study.trials:
            if one.state != TrialState.RUNNING:
                continue
            signature = str(one.user_attrs.get(_PROCESS, ""))
            if signature == self._signature or holder_of(self._process_folder(signature)) is not None:
                continue
            give_up(self._study, one.number, "its process was ended", again=True)

    def _process_folder(self, signature: str) -> Path:
        return self.folder / PROCESSES / (signature or "none")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with one_at_a_time(self.folder / CLAIM):
            yield


@dataclass(frozen=True)
class Claim:
    """A trial that this process has taken; `options` are those to train with, empty of the default recipe."""

    study: Any
    trial: Any
    options: dict[str, Any]
    is_default: bool = False

    @property
    def number(self) -> int:
        """Its number in the study."""
        return int(self.trial.number)

    def lags(self, value: float, epoch: int) -> bool:
        """Hear the validation figure after an epoch; tells whether the trial should end here."""
        self.trial.report(value, epoch)
        return bool(self.trial.should_prune())

    def done(self, value: float, seconds: float) -> None:
        """Store the figure of a finished training."""
        self.trial.set_user_attr(_SECONDS, round(seconds, 1))
        self.study.tell(self.trial, value)

    def pruned(self, seconds: float) -> None:
        """Store that it was ended early."""
        from optuna.trial import TrialState

        self.trial.set_user_attr(_SECONDS, round(seconds, 1))
        self.study.tell(self.trial, state=TrialState.PRUNED)

    def failed(self, reason: str, *, again: bool = False) -> None:
        """Store why there is no figure; `again`: it is to be tried once more."""
        give_up(self.study, self.number, reason, again=again)


def give_up(study: Any, number: int, reason: str, *, again: bool) -> None:
    """Keep a trial as failed.

    Args:
        study: Optuna's.
        number: of the trial.
        reason: why, in words.
        again: whether its options are tried once more, and it does not count.
    """
    from optuna.trial import TrialState

    one = study.trials[number]
    handle, storage = one._trial_id, study._storage
    storage.set_trial_user_attr(handle, _REASON, reason)
    if again:
        storage.set_trial_user_attr(handle, _AGAIN, True)
        kept = {_DEFAULT: True} if one.user_attrs.get(_DEFAULT) else None
        study.enqueue_trial(dict(one.params), user_attrs=kept)
    study.tell(number, state=TrialState.FAIL)


def _value(found: Any) -> Any:
    """Return a value without what adding steps leaves behind it (0.30000000000000004)."""
    return float(f"{found:.12g}") if isinstance(found, float) else found


def _suggest(trial: Any, one: Dimension) -> Any:
    if one.choices:
        return trial.suggest_categorical(one.name, list(one.choices))
    if one.whole:
        step = int(one.step or 1)
        return trial.suggest_int(
            one.name, int(one.low or 0), int(one.high or 0), log=one.log, step=1 if one.log else step
        )
    return _value(trial.suggest_float(one.name, one.low, one.high, log=one.log, step=one.step))


@contextmanager
def _unwarned() -> Iterator[None]:
    """Keep to ourselves what Optuna says of its own experiments."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
