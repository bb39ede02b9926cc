"""`fixstream keys`: make, list and revoke the API keys of the inference service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fixstream.cli.console import err, out
from fixstream.schemas.errors import FixstreamError, Misconfigured

keys = typer.Typer(help="API keys of the inference service.", no_args_is_help=True)

KeysFile = Annotated[
    Path | None,
    typer.Option("--file", help="The file of keys; left out: FIXSTREAM_INFERENCE_API_KEYS."),
]


@keys.command("new")
def new(
    name: Annotated[str, typer.Argument(help="For whom or what the key is.")],
    scope: Annotated[
        list[str], typer.Option(help="ingest, predict, feedback or admin; may be repeated.")
    ],
    file: KeysFile = None,
) -> None:
    """Make a key and print it: it is shown this once, and only its hash is kept."""
    from fixstream.inference.api_keys import KeyFile, Scope, new_key
    from fixstream.runtime.clock import SystemClock

    try:
        scopes = [Scope(one) for one in scope]
    except ValueError:
        known = ", ".join(Scope)
        raise Misconfigured(f"--scope has to be one of {known}") from None
    made, presented = new_key(name, scopes, SystemClock().now())
    key_file = KeyFile(_path(file))
    key_file.add(made)
    err.print(f"key {made.key_id} kept as a hash in {key_file.path}", markup=False)
    typer.echo(presented)


@keys.command("list")
def show(file: KeysFile = None) -> None:
    """List the keys: id, name, scopes, when they were made and revoked."""
    from fixstream.inference.api_keys import KeyFile

    for one in KeyFile(_path(file)).read():
        state = f"revoked {one.revoked_at:%Y-%m-%d}" if one.revoked_at else "in force"
        scopes = ",".join(sorted(one.scopes))
        out.print(
            f"{one.key_id}  {one.created_at:%Y-%m-%d}  {state}  {scopes}  {one.name}",
            markup=False,
            highlight=False,
        )


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `fixstream keys list` shows it.")],
    file: KeysFile = None,
) -> None:
    """Revoke a key; running services refuse it within a second."""
    from fixstream.inference.api_keys import KeyFile
    from fixstream.runtime.clock import SystemClock

    if not KeyFile(_path(file)).revoke(key_id, SystemClock().now()):
        raise FixstreamError(f"there is no key {key_id} in force")
    err.print(f"key {key_id} revoked", markup=False)


def _path(given: Path | None) -> Path:
    if given is not None:
        return given
    from fixstream.inference.settings import InferenceSettings
    from fixstream.runtime.settings import load_settings

    path = load_settings(InferenceSettings).api_keys
    if path is None:
        raise Misconfigured("name the file of keys: --file, or FIXSTREAM_INFERENCE_API_KEYS")
    return Path(path)
