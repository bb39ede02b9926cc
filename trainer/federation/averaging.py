"""The server's side of a round: send the weights, check the answers, move by their mean.

An answer counts once a member, if it is sealed for this round, of the right form, finite and not
too long. With fewer answers than are required the weights stay as they are: a mean over one member
would be that member's update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from flwr.common import (
    EvaluateIns,
    EvaluateRes,
    FitIns,
    FitRes,
    Parameters,
    Scalar,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.server.client_manager import ClientManager
from flwr.server.client_proxy import ClientProxy
from flwr.server.strategy import Strategy

from fixstream.schemas.errors import ArtifactRejected
from fixstream.trainer.federation.seals import FederationKey, answer, broadcast
from fixstream.trainer.federation.shared_weights import Floats, SharedWeights, check_form

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AveragingConfig:
    """When a round counts."""

    federation: str
    """Name of this run; seals of another run do not count."""
    min_members: int = 3
    max_update_norm: float | None = None
    """Longer updates are refused; None takes any finite one."""
    join_timeout_s: float = 600.0
    """How long the members are waited for before a round."""


@dataclass(frozen=True, slots=True)
class Round:
    """How a round ended."""

    number: int
    members: tuple[str, ...]
    """Whose answers count."""
    refused: tuple[str, ...]
    """Reasons for the answers that do not."""
    update_norm: float
    """Of the mean; 0 where the round did not count."""


OnRound = Callable[[Round], None]
"""Told after each round, when the weights have moved (or not)."""


class UpdateAveraging(Strategy):  # type: ignore[misc,unused-ignore]
    """A Flower strategy that keeps the weights in a model of ours."""

    def __init__(
        self,
        shared: SharedWeights,
        key: FederationKey,
        config: AveragingConfig,
        on_round: OnRound = lambda _: None,
    ) -> None:
        self._shared = shared
        self._key = key
        self._config = config
        self._on_round = on_round

    def initialize_parameters(self, client_manager: ClientManager) -> Parameters:
        """The model's present weights."""
        return ndarrays_to_parameters(self._shared.read())

    def configure_fit(
        self, server_round: int, parameters: Parameters, client_manager: ClientManager
    ) -> list[tuple[ClientProxy, FitIns]]:
        """Asks all members that are there, once there are enough."""
        wanted = self._config.min_members
        if not client_manager.wait_for(wanted, round(self._config.join_timeout_s)):
            log.warning("too few members", round=server_round, wanted=wanted)
            return []
        weights = parameters_to_ndarrays(parameters)
        federation = self._config.federation
        seal = self._key.seal(broadcast(server_round, federation), weights)
        config: dict[str, Scalar] = {
            "round": server_round,
            "federation": federation,
            "form": self._shared.form,
            "seal": seal,
        }
        instruction = FitIns(parameters, config)
        return [(member, instruction) for member in client_manager.all().values()]

    def aggregate_fit(
        self,
        server_round: int,
        results: list[tuple[ClientProxy, FitRes]],
        failures: list[tuple[ClientProxy, FitRes] | BaseException],
    ) -> tuple[Parameters | None, dict[str, Scalar]]:
        """Moves the weights by the mean of the answers that count."""
        updates: dict[str, list[Floats]] = {}
        refused = ["no answer"] * len(failures)
        for _, result in results:
            try:
                member, update = self._checked(server_round, result)
                if member in updates:
                    raise ArtifactRejected(f"a second answer of {member}")  # noqa: TRY301
                updates[member] = update
            except ArtifactRejected as error:
                log.warning("answer refused", round=server_round, reason=str(error))
                refused.append(str(error))
        norm = 0.0
        if len(updates) >= self._config.min_members:
            norm = self._move(list(updates.values()))
        self._on_round(Round(server_round, tuple(sorted(updates)), tuple(refused), norm))
        return ndarrays_to_parameters(self._shared.read()), {"members": len(updates)}

    def configure_evaluate(
        self, server_round: int, parameters: Parameters, client_manager: ClientManager
    ) -> list[tuple[ClientProxy, EvaluateIns]]:
        """Nobody is asked: a score on a member's own errors would tell about them."""
        return []

    def aggregate_evaluate(
        self,
        server_round: int,
        results: list[tuple[ClientProxy, EvaluateRes]],
        failures: list[tuple[ClientProxy, EvaluateRes] | BaseException],
    ) -> tuple[float | None, dict[str, Scalar]]:
        """Nothing was asked for."""
        return None, {}

    def evaluate(
        self, server_round: int, parameters: Parameters
    ) -> tuple[float, dict[str, Scalar]] | None:
        """The server has no errors to try the weights on."""
        return None

    def _checked(self, server_round: int, result: FitRes) -> tuple[str, list[Floats]]:
        member = str(result.metrics.get("member", ""))[:64]
        try:
            update = parameters_to_ndarrays(result.parameters)
        except (ValueError, EOFError, OSError) as error:
            raise ArtifactRejected(f"an answer cannot be read: {error}") from None
        check_form(update, self._shared.shapes())
        purpose = answer(server_round, self._config.federation, member)
        if not member or not self._key.is_sealed(result.metrics.get("seal"), purpose, update):
            raise ArtifactRejected("an answer is not sealed by a holder of the key")
        norm, longest = norm_of(update), self._config.max_update_norm
        if longest is not None and norm > longest:
            raise ArtifactRejected(f"the update of {member} is too long: {norm:.3g}")
        return member, update

    def _move(self, updates: Sequence[Sequence[Floats]]) -> float:
        mean = [np.mean(np.stack(parts), axis=0) for parts in zip(*updates, strict=True)]
        moved = [
            np.asarray(old + step, np.float32)
            for old, step in zip(self._shared.read(), mean, strict=True)
        ]
        self._shared.write(moved)
        return norm_of(mean)


def norm_of(arrays: Sequence[Floats]) -> float:
    """L2 norm over all numbers of all arrays."""
    return float(np.sqrt(sum(float(np.square(one, dtype=np.float64).sum()) for one in arrays)))
