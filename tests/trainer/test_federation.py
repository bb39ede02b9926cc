"""A federation's parts alone: privacy, seals, shared weights, averaging, a round of a member."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.client_manager import SimpleClientManager
from flwr.server.client_proxy import ClientProxy
from numpy.typing import NDArray

from fixstream.schemas.errors import ArtifactRejected, Misconfigured
from fixstream.schemas.records import TrainingExample
from fixstream.trainer.federation.averaging import AveragingConfig, Round, UpdateAveraging
from fixstream.trainer.federation.flower import Tls, refuse_unprotected
from fixstream.trainer.federation.local_training import LocalTraining, RoundConfig
from fixstream.trainer.federation.participant import (
    BudgetBook,
    BudgetSpent,
    Membership,
    Participant,
)
from fixstream.trainer.federation.privacy import PrivacyConfig, privatised
from fixstream.trainer.federation.seals import FederationKey, answer, broadcast, new_key
from fixstream.trainer.federation.shared_weights import SharedPart, SharedWeights
from fixstream.trainer.learner import Learner
from support.training import TINY_LEARNER, training_example

Floats = NDArray[np.float32]
KEY = FederationKey(b"k" * 32)
OPEN = PrivacyConfig(clip_norm=100.0, noise_multiplier=0.0)


def exact_epsilon(num_rounds: int, multiplier: float, delta: float) -> float:
    """The Gaussian mechanism's own trade-off (Balle and Wang, 2018), by bisection."""
    normal = statistics.NormalDist()
    mu = math.sqrt(num_rounds) * 2.0 / multiplier

    def delta_of(epsilon: float) -> float:
        return normal.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * normal.cdf(
            -mu / 2 - epsilon / mu
        )

    low, high = 0.0, 60.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if delta_of(middle) > delta else (low, middle)
    return high


class TestPrivacy:
    @pytest.mark.parametrize(("num_rounds", "multiplier"), [(1, 2.0), (10, 8.0), (100, 30.0)])
    def test_epsilon_bounds_the_exact_one_closely(self, num_rounds: int, multiplier: float) -> None:
        told = PrivacyConfig(1.0, multiplier).epsilon(num_rounds)
        exact = exact_epsilon(num_rounds, multiplier, 1e-5)
        assert exact <= told <= 1.2 * exact

    def test_no_noise_is_no_privacy_and_no_round_costs_nothing(self) -> None:
        assert OPEN.epsilon(1) == math.inf
        assert OPEN.epsilon(0) == 0.0

    def test_a_long_update_is_clipped_as_a_whole(self) -> None:
        update = [np.full((3, 4), 2.0, np.float32), np.full(5, -1.0, np.float32)]
        private = privatised(update, PrivacyConfig(1.0, 0.0), np.random.default_rng(0))
        flat = np.concatenate([one.ravel() for one in private.arrays])
        assert np.linalg.norm(flat) == pytest.approx(1.0, rel=1e-5)
        assert private.norm == pytest.approx(math.sqrt(12 * 4 + 5), rel=1e-5)
        assert np.allclose(private.arrays[0] / private.arrays[1][0], -2.0)

    def test_a_short_update_keeps_its_length(self) -> None:
        update = [np.full(4, 0.1, np.float32)]
        private = privatised(update, PrivacyConfig(1.0, 0.0), np.random.default_rng(0))
        assert np.array_equal(private.arrays[0], update[0])

    def test_the_noise_is_as_wide_as_it_says(self) -> None:
        update = [np.zeros(40_000, np.float32)]
        private = privatised(update, PrivacyConfig(3.0, 0.5), np.random.default_rng(0))
        assert float(private.arrays[0].std()) == pytest.approx(1.5, rel=0.03)

    def test_an_update_that_is_not_finite_does_not_leave(self) -> None:
        with pytest.raises(ValueError, match="not finite"):
            privatised([np.array([np.nan], np.float32)], OPEN, np.random.default_rng(0))


class TestSeals:
    def test_a_seal_holds_for_its_arrays_round_and_member_only(self) -> None:
        arrays = [np.arange(6, dtype=np.float32).reshape(2, 3)]
        seal = KEY.seal(answer(2, "f", "a"), arrays)
        assert KEY.is_sealed(seal, answer(2, "f", "a"), arrays)
        assert not KEY.is_sealed(seal, answer(3, "f", "a"), arrays)
        assert not KEY.is_sealed(seal, answer(2, "f", "b"), arrays)
        assert not KEY.is_sealed(seal, answer(2, "f", "a"), [arrays[0].reshape(3, 2)])
        assert not KEY.is_sealed(seal, answer(2, "f", "a"), [arrays[0] + 1])
        assert not FederationKey(b"x" * 32).is_sealed(seal, answer(2, "f", "a"), arrays)
        assert not KEY.is_sealed(None, answer(2, "f", "a"), arrays)

    def test_a_key_file_is_for_its_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / "federation.key"
        new_key(path)
        seal = FederationKey.load(path).seal("p", [])
        assert FederationKey.load(path).is_sealed(seal, "p", [])
        with pytest.raises(Misconfigured):
            new_key(path)
        path.chmod(0o644)
        with pytest.raises(Misconfigured, match="chmod 600"):
            FederationKey.load(path)

    def test_a_short_key_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "short"
        path.write_text("abc")
        path.chmod(0o600)
        with pytest.raises(Misconfigured, match="fewer"):
            FederationKey.load(path)


class TestSharedWeights:
    def test_memory_counts_and_mixture_stay_at_home(self) -> None:
        learner = Learner(TINY_LEARNER)
        shared = SharedWeights(learner.model, SharedPart.ALL)
        num_shared = sum(array.size for array in shared.read())
        names = learner.model.tensors()
        private = [name for name in names if name.startswith(("memory.", "mixture."))]
        private += ["wide.documents", "wide.num_documents"]
        assert private
        wanted = sum(
            tensor.numel()
            for name, tensor in names.items()
            if name.startswith("network.") or name == "wide.weights"
        )
        assert num_shared == wanted

    def test_what_is_written_is_what_the_model_uses(self) -> None:
        learner = Learner(TINY_LEARNER)
        shared = SharedWeights(learner.model, SharedPart.WIDE)
        shared.write([array + 1.0 for array in shared.read()])
        assert float(learner.model.tensors()["wide.weights"].min()) == 1.0

    @pytest.mark.parametrize("damage", ["shape", "nan", "type", "number"])
    def test_what_does_not_fit_changes_nothing(self, damage: str) -> None:
        learner = Learner(TINY_LEARNER)
        shared = SharedWeights(learner.model, SharedPart.ALL)
        before = shared.read()
        bad = [array + 1.0 for array in before]
        if damage == "shape":
            bad[-1] = bad[-1].reshape(-1)[:-1]
        elif damage == "nan":
            bad[-1].flat[0] = np.nan
        elif damage == "type":
            bad[-1] = bad[-1].astype(np.float64)
        else:
            del bad[-1]
        with pytest.raises(ArtifactRejected):
            shared.write(bad)
        assert all(np.array_equal(a, b) for a, b in zip(before, shared.read(), strict=True))


def result(arrays: Sequence[Floats], member: str, round_number: int = 1) -> FitRes:
    seal = KEY.seal(answer(round_number, "f", member), arrays)
    return FitRes(
        Status(Code.OK, ""),
        ndarrays_to_parameters(list(arrays)),
        1,
        {"member": member, "seal": seal},
    )


class TestAveraging:
    def setup_method(self) -> None:
        self.learner = Learner(TINY_LEARNER)
        self.shared = SharedWeights(self.learner.model, SharedPart.WIDE)
        self.rounds: list[Round] = []
        config = AveragingConfig("f", min_members=2, max_update_norm=1e6)
        self.strategy = UpdateAveraging(self.shared, KEY, config, self.rounds.append)

    def ones(self, scale: float) -> list[Floats]:
        return [np.full(shape, scale, np.float32) for shape in self.shared.shapes()]

    def aggregate(self, results: Sequence[FitRes]) -> Round:
        # The strategy goes by the sealed name in an answer, never by the connection it came on.
        connection = cast("ClientProxy", None)
        answers = [(connection, one) for one in results]
        self.strategy.aggregate_fit(1, answers, [])
        return self.rounds[-1]

    def test_the_weights_move_by_the_mean_of_the_updates(self) -> None:
        before = self.shared.read()
        done = self.aggregate([result(self.ones(1.0), "a"), result(self.ones(3.0), "b")])
        assert done.members == ("a", "b")
        assert np.allclose(self.shared.read()[0], before[0] + 2.0)

    def test_too_few_answers_move_nothing(self) -> None:
        before = self.shared.read()
        done = self.aggregate([result(self.ones(1.0), "a")])
        assert done.update_norm == 0.0
        assert np.array_equal(self.shared.read()[0], before[0])

    def test_a_member_has_one_voice(self) -> None:
        done = self.aggregate([result(self.ones(1.0), "a"), result(self.ones(9.0), "a")])
        assert done.members == ("a",)
        assert done.update_norm == 0.0

    def test_forged_misshapen_endless_and_long_answers_do_not_count(self) -> None:
        forged = result(self.ones(1.0), "c")
        forged.metrics["seal"] = b"\0" * 32
        late = result(self.ones(1.0), "d", round_number=7)
        endless = result(self.ones(math.inf), "e")
        misshapen = result([array[:1] for array in self.ones(1.0)], "f")
        long = result(self.ones(1e7), "g")
        good = [result(self.ones(1.0), "a"), result(self.ones(1.0), "b")]
        done = self.aggregate([forged, late, endless, misshapen, long, *good])
        assert done.members == ("a", "b")
        assert len(done.refused) == 5
        assert np.allclose(self.shared.read()[0], 1.0)

    def test_bytes_that_are_no_array_do_not_count(self) -> None:
        broken = result(self.ones(1.0), "a")
        broken.parameters.tensors = [b"\x80\x04junk"]
        done = self.aggregate([broken, result(self.ones(1.0), "b"), result(self.ones(1.0), "c")])
        assert done.members == ("b", "c")

    def test_nobody_is_asked_for_a_score(self) -> None:
        manager = SimpleClientManager()
        parameters = self.strategy.initialize_parameters(manager)
        assert self.strategy.configure_evaluate(1, parameters, manager) == []
        assert np.array_equal(parameters_to_ndarrays(parameters)[0], self.shared.read()[0])


def participant(
    folder: Path,
    privacy: PrivacyConfig = OPEN,
    max_epsilon: float = math.inf,
) -> Participant:
    examples = iter([training_example(number) for number in range(200)])

    def take(count: int) -> list[TrainingExample]:
        return [one for one, _ in zip(examples, range(count), strict=False)]

    training = LocalTraining(Learner(TINY_LEARNER), SharedPart.ALL, take, RoundConfig(32, 8))
    book = BudgetBook(folder / "privacy.json", privacy, max_epsilon)
    membership = Membership("a", KEY, privacy)
    return Participant(training, membership, book, np.random.default_rng(1))


def instruction(round_number: int = 1) -> tuple[list[Floats], dict[str, object]]:
    shared = SharedWeights(Learner(TINY_LEARNER).model, SharedPart.ALL)
    weights = shared.read()
    seal = KEY.seal(broadcast(round_number, "f"), weights)
    return weights, {"round": round_number, "federation": "f", "form": shared.form, "seal": seal}


class TestParticipant:
    def test_a_round_answers_with_a_sealed_update(self, tmp_path: Path) -> None:
        weights, config = instruction()
        update, weight, told = participant(tmp_path).fit(weights, config)
        assert weight == 1
        assert KEY.is_sealed(told["seal"], answer(1, "f", "a"), update)
        assert set(told) == {"member", "seal"}
        assert any(float(np.abs(one).max()) > 0 for one in update)

    def test_weights_from_a_stranger_are_not_learnt_from(self, tmp_path: Path) -> None:
        weights, config = instruction()
        config["seal"] = FederationKey(b"x" * 32).seal(broadcast(1, "f"), weights)
        with pytest.raises(ArtifactRejected, match="key"):
            participant(tmp_path).fit(weights, config)
        assert not (tmp_path / "privacy.json").exists()

    def test_another_size_is_told_apart(self, tmp_path: Path) -> None:
        weights, config = instruction()
        config["form"] = "another"
        with pytest.raises(ArtifactRejected, match="another size"):
            participant(tmp_path).fit(weights, config)

    def test_the_budget_is_kept_over_restarts_and_ends_the_sending(self, tmp_path: Path) -> None:
        privacy = PrivacyConfig(1.0, 4.0)
        limit = privacy.epsilon(2)
        for _ in range(2):
            participant(tmp_path, privacy, limit).fit(*instruction())
        with pytest.raises(BudgetSpent, match="budget"):
            participant(tmp_path, privacy, limit).fit(*instruction())
        assert BudgetBook(tmp_path / "privacy.json", privacy).num_rounds == 2

    def test_other_privacy_settings_need_another_book(self, tmp_path: Path) -> None:
        participant(tmp_path, PrivacyConfig(1.0, 4.0)).fit(*instruction())
        with pytest.raises(Misconfigured, match="other privacy settings"):
            BudgetBook(tmp_path / "privacy.json", PrivacyConfig(1.0, 2.0))

    def test_a_round_without_new_examples_still_answers(self, tmp_path: Path) -> None:
        training = LocalTraining(Learner(TINY_LEARNER), SharedPart.ALL, lambda _: [])
        book = BudgetBook(tmp_path / "privacy.json", OPEN)
        idle = Participant(training, Membership("a", KEY, OPEN), book, np.random.default_rng(1))
        update, _, _ = idle.fit(*instruction())
        assert all(not one.any() for one in update)


class TestAddresses:
    @pytest.mark.parametrize("address", ["127.0.0.1:9470", "localhost:9470", "[::1]:9470"])
    def test_loopback_needs_no_certificate(self, address: str) -> None:
        refuse_unprotected(address, None)

    @pytest.mark.parametrize("address", ["10.0.0.7:9470", "0.0.0.0:9470", "fix.example:9470"])
    def test_elsewhere_needs_one(self, address: str) -> None:
        with pytest.raises(Misconfigured, match="certificates"):
            refuse_unprotected(address, None)
        refuse_unprotected(address, Tls(Path("ca.pem")))

    @pytest.mark.parametrize("address", ["", "host", "host:", ":1", "host:port"])
    def test_no_address_is_told(self, address: str) -> None:
        with pytest.raises(Misconfigured, match="host:port"):
            refuse_unprotected(address, None)
