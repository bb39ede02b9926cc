"""`fixstream federate`: several deployments learn one model together, without sharing events."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fixstream.schemas.errors import Misconfigured, Stop

if TYPE_CHECKING:
    from fixstream.trainer.federation.averaging import Round
    from fixstream.trainer.federation.flower import Tls
    from fixstream.trainer.federation.shared_weights import SharedPart

federate = typer.Typer(
    help="Learn one model with other deployments, without sharing events.", no_args_is_help=True
)

_Address = Annotated[str, typer.Option(help="host:port of the federation's server.")]
_KeyFile = Annotated[
    Path, typer.Option("--key", help="File with the key that all members share (mode 0600).")
]
_Part = Annotated[
    str, typer.Option("--part", help="What is learnt together: wide, network or all.")
]
_Authority = Annotated[
    Path | None, typer.Option("--ca", help="TLS: certificate of the authority (PEM).")
]
DEFAULT_ADDRESS = "127.0.0.1:9470"


@federate.command("key")
def key(
    path: Annotated[Path, typer.Argument(help="File to write; it must not be there yet.")],
) -> None:
    """Make a new key for a federation; hand it to each member over a safe way."""
    from fixstream.trainer.federation.seals import new_key

    new_key(path)
    typer.echo(f"wrote {path}; all members and the server need it")


@federate.command("server")
def server(
    key_file: _KeyFile,
    out: Annotated[Path, typer.Option(help="Folder for the warm starts, one after each round.")],
    address: _Address = DEFAULT_ADDRESS,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds to run.")] = 10,
    members: Annotated[int, typer.Option(min=2, help="Answers that a round needs to count.")] = 3,
    part: _Part = "all",
    max_update_norm: Annotated[
        float | None, typer.Option(min=0.0, help="Refuse longer updates; default: take any.")
    ] = None,
    round_timeout: Annotated[float, typer.Option(min=1.0, help="Seconds a round may take.")] = 3600,
    ca: _Authority = None,
    certificate: Annotated[
        Path | None, typer.Option(help="TLS: the server's certificate (PEM).")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option(help="TLS: the server's private key (PEM).")
    ] = None,
) -> None:
    """Run a federation: send the weights, average the members' updates, write a warm start."""
    import secrets

    from fixstream.cli.new_learner import learner_from_settings
    from fixstream.runtime.clock import SystemClock
    from fixstream.trainer.federation.averaging import AveragingConfig, UpdateAveraging
    from fixstream.trainer.federation.flower import serve_federation
    from fixstream.trainer.federation.seals import FederationKey
    from fixstream.trainer.federation.shared_weights import SharedWeights
    from fixstream.trainer.warm_start import write_warm_start

    learner, clock = learner_from_settings(), SystemClock()
    counted: list[int] = []

    def on_round(done: Round) -> None:
        if done.update_norm > 0.0:
            counted.append(done.number)
            write_warm_start(out, learner, f"federation, round {done.number}", clock)
        typer.echo(_told(done, rounds))

    strategy = UpdateAveraging(
        SharedWeights(learner.model, _part(part)),
        FederationKey.load(key_file),
        AveragingConfig(secrets.token_hex(8), members, max_update_norm, round_timeout),
        on_round,
    )
    serve_federation(
        strategy,
        address,
        num_rounds=rounds,
        round_timeout_s=round_timeout,
        tls=_tls(ca, certificate, private_key),
    )
    if not counted:
        raise Stop(f"none of the {rounds} rounds had {members} answers that count")
    typer.echo(f"{len(counted)} of {rounds} rounds counted; the newest warm start is in {out}")


@federate.command("client")
def client(
    key_file: _KeyFile,
    member: Annotated[str, typer.Option(help="This deployment's name in the federation.")],
    folder: Annotated[Path, typer.Option(help="Folder for this member's place and budget.")],
    clip_norm: Annotated[
        float, typer.Option(min=1e-6, help="Longest update that leaves this deployment.")
    ],
    noise_multiplier: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Noise on each number, in clip norms. 1 and more gives a budget that means "
            "something and needs many members; 0 adds none and protects nothing.",
        ),
    ],
    address: _Address = DEFAULT_ADDRESS,
    examples: Annotated[int, typer.Option(min=1, help="New examples a round, at most.")] = 512,
    part: _Part = "all",
    delta: Annotated[float, typer.Option(help="Chance at which the budget may fail.")] = 1e-5,
    max_epsilon: Annotated[
        float, typer.Option(min=0.0, help="Stop before the budget spent is above this.")
    ] = math.inf,
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for the server.")] = 600.0,
    ca: _Authority = None,
) -> None:
    """Take part: learn from this deployment's training batches, send clipped, noised updates."""
    import numpy as np

    from fixstream.cli.kafka_access import reachable_kafka
    from fixstream.cli.new_learner import learner_from_settings
    from fixstream.runtime.registry import make_codec
    from fixstream.trainer.federation.example_feed import ExampleFeed
    from fixstream.trainer.federation.flower import take_part
    from fixstream.trainer.federation.local_training import LocalTraining, RoundConfig
    from fixstream.trainer.federation.participant import BudgetBook, Membership, Participant
    from fixstream.trainer.federation.privacy import PrivacyConfig
    from fixstream.trainer.federation.seals import FederationKey

    try:
        privacy = PrivacyConfig(clip_norm, noise_multiplier, delta)
    except ValueError as error:
        raise Misconfigured(str(error)) from None
    membership = Membership(member, FederationKey.load(key_file), privacy)
    book = BudgetBook(folder / "privacy.json", privacy, max_epsilon)
    kafka = reachable_kafka()
    with ExitStack() as stack:
        feed = stack.enter_context(ExampleFeed(kafka, make_codec(kafka), folder / "place.json"))
        training = LocalTraining(
            learner_from_settings(), _part(part), feed, RoundConfig(max_examples=examples)
        )
        # Without a seed the generator takes the system's entropy.
        participant = Participant(training, membership, book, np.random.default_rng())
        take_part(participant, address, max_wait_s=wait, tls=_tls(ca))
    typer.echo(
        f"{book.num_rounds} updates sent so far; privacy budget spent: "
        f"epsilon {book.epsilon:.4g} at delta {delta:.0e}"
    )


def _part(name: str) -> SharedPart:
    from fixstream.trainer.federation.shared_weights import SharedPart

    try:
        return SharedPart(name)
    except ValueError:
        raise Misconfigured(f"--part is wide, network or all, not {name}") from None


def _tls(ca: Path | None, certificate: Path | None = None, key: Path | None = None) -> Tls | None:
    from fixstream.trainer.federation.flower import Tls

    if ca is None:
        if certificate is not None or key is not None:
            raise Misconfigured("TLS needs --ca too")
        return None
    return Tls(ca, certificate, key)


def _told(done: Round, rounds: int) -> str:
    parts = [f"round {done.number}/{rounds}: {len(done.members)} updates"]
    if done.refused:
        parts.append(f"{len(done.refused)} refused ({done.refused[0]})")
    parts.append(f"moved by {done.update_norm:.3g}" if done.update_norm > 0.0 else "not counted")
    return ", ".join(parts)
