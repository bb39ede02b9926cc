"""A member of a federation: answers each round with a clipped, noised, sealed update.

It trusts nobody but the holders of the federation's key, and them only with what privacy lets
through. Its own settings say how private an update is; nothing that a server sends changes them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from flwr.client import NumPyClient

from fixstream.runtime.whole_file import replace_file
from fixstream.schemas.errors import ArtifactRejected, Misconfigured, Stop
from fixstream.trainer.federation.local_training import LocalTraining
from fixstream.trainer.federation.privacy import PrivacyConfig, privatised
from fixstream.trainer.federation.seals import FederationKey, answer, broadcast
from fixstream.trainer.federation.shared_weights import Floats

log = structlog.get_logger(__name__)


class BudgetSpent(Stop):
    """Another update would spend more privacy than was allowed."""


class BudgetBook:
    """How many updates have left this deployment, kept in a file before each one leaves."""

    def __init__(self, path: Path, privacy: PrivacyConfig, max_epsilon: float = math.inf) -> None:
        """Reads the book.

        Raises:
            Misconfigured: the file is none of ours, or was kept with other privacy settings.
        """
        self._path = path
        self._privacy = privacy
        self._max_epsilon = max_epsilon
        self.num_rounds = self._read()

    @property
    def epsilon(self) -> float:
        """Budget spent so far."""
        return self._privacy.epsilon(self.num_rounds)

    def spend(self) -> None:
        """Writes down one more update.

        Raises:
            BudgetSpent: it would be over the limit; nothing is written.
            Misconfigured: the file cannot be written.
        """
        after = self._privacy.epsilon(self.num_rounds + 1)
        if after > self._max_epsilon:
            raise BudgetSpent(
                f"the next update would spend a privacy budget of {after:.3g}, "
                f"and {self._max_epsilon:.3g} are allowed"
            )
        self._write(self.num_rounds + 1)
        self.num_rounds += 1

    def _settings(self) -> dict[str, float]:
        privacy = self._privacy
        return {"noise_multiplier": privacy.noise_multiplier, "delta": privacy.delta}

    def _read(self) -> int:
        try:
            book = json.loads(self._path.read_bytes())
            num_rounds, settings = int(book["rounds"]), dict(book["settings"])
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Misconfigured(f"{self._path} is no privacy budget: {error}") from None
        if settings != self._settings():
            raise Misconfigured(
                f"{self._path} was kept with other privacy settings; budgets of different "
                "settings cannot be added up here: keep them, or begin a new folder"
            )
        return num_rounds

    def _write(self, num_rounds: int) -> None:
        book = {"rounds": num_rounds, "settings": self._settings()}
        try:
            replace_file(self._path, json.dumps(book).encode())
        except OSError as error:
            raise Misconfigured(f"{self._path}: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class Membership:
    """Who a participant is, and how it protects what it sends."""

    member: str
    """Its name within the federation."""
    key: FederationKey
    privacy: PrivacyConfig


class Participant(NumPyClient):  # type: ignore[misc,unused-ignore]
    """Flower's view of one deployment."""

    def __init__(
        self,
        training: LocalTraining,
        membership: Membership,
        book: BudgetBook,
        noise: np.random.Generator,
    ) -> None:
        """Stores its collaborators; `noise` has to be seeded from the system's entropy."""
        self._training = training
        self._membership = membership
        self._book = book
        self._noise = noise

    def fit(
        self, parameters: list[Floats], config: dict[str, Any]
    ) -> tuple[list[Floats], int, dict[str, Any]]:
        """One round.

        Returns:
            The private update, the number 1 (each deployment counts the same, and how many errors
            it had stays at home), and the update's seal with the member's name.

        Raises:
            ArtifactRejected: the weights are not sealed for this round, or do not fit.
            BudgetSpent: nothing was sent.
        """
        round_number, federation = int(config["round"]), str(config["federation"])
        who = self._membership
        if config.get("form") != self._training.form:
            raise ArtifactRejected("the federation's model is of another size than this one's")
        purpose = broadcast(round_number, federation)
        if not who.key.is_sealed(config.get("seal"), purpose, parameters):
            raise ArtifactRejected("the weights do not come from a holder of the key")
        update, num_learnt = self._training.update(parameters)
        self._book.spend()
        private = privatised(update, who.privacy, self._noise)
        log.info(
            "round answered",
            round=round_number,
            examples=num_learnt,
            update_norm=round(private.norm, 4),
            is_clipped=private.norm > who.privacy.clip_norm,
            epsilon=self._book.epsilon,
            delta=who.privacy.delta,
        )
        seal = who.key.seal(answer(round_number, federation, who.member), private.arrays)
        return private.arrays, 1, {"member": who.member, "seal": seal}
