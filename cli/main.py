"""The `fixstream` command: names its subcommands and turns our errors into one clear line.

Commands import what they need when they run, so that `fixstream --help` needs neither torch nor
Faust. Nothing is computed here.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from typer.exceptions import TyperException

from fixstream.cli import (
    crawl,
    data,
    dead_letters,
    doctor,
    federate,
    keys,
    labels,
    models,
    operate,
    pretrain,
    retrain,
    services,
    texts,
)
from fixstream.cli.audit.command import audit
from fixstream.cli.backtest.command import backtest
from fixstream.cli.demo.command import demo
from fixstream.cli.extras import lacking
from fixstream.runtime.logs import configure_logging
from fixstream.runtime.settings import LogSettings, load_settings
from fixstream.schemas.errors import FixstreamError, Misconfigured

app = typer.Typer(
    name="fixstream",
    help="Turns the errors that services emit into fixes that they can subscribe to.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo)
app.command("up")(operate.up)
app.command("broker")(operate.broker)
app.add_typer(operate.topics, name="topics")
app.command("stream")(services.stream)
app.command("train")(services.train)
app.command("serve")(services.serve)
app.command("emit")(data.emit)
app.command("crawl")(crawl.crawl)
app.add_typer(data.solutions, name="solutions")
app.command("tail")(texts.tail)
app.command("scrub")(texts.scrub)
app.add_typer(dead_letters.dlq, name="dlq")
app.add_typer(labels.labels, name="labels")
app.add_typer(models.models, name="models")
app.command("retrain")(retrain.retrain)
app.add_typer(texts.schemas, name="schemas")
app.add_typer(keys.keys, name="keys")
app.command("audit")(audit)
app.command("backtest")(backtest)
app.command("pretrain")(pretrain.pretrain)
app.add_typer(federate.federate, name="federate")
app.command("doctor")(doctor.doctor)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"fixstream {version('fixstream')}")
        raise typer.Exit


@app.callback()
def options(
    is_version_asked: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Turns the errors that services emit into fixes that they can subscribe to."""


EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2
EXIT_INTERRUPTED = 130


def main() -> None:
    """Runs the command line; the entry point of the `fixstream` script."""
    try:
        _configure_logging()
        # Not standalone: typer would answer a mistake with a box of several lines.
        sys.exit(app(standalone_mode=False))
    except TyperException as error:
        _refuse(error)
    except Misconfigured as error:
        _fail(error, EXIT_MISCONFIGURED)
    except FixstreamError as error:
        _fail(error, EXIT_FAILED)
    except ModuleNotFoundError as error:
        told = lacking(error)
        if told is None:
            raise
        _fail(told, EXIT_MISCONFIGURED)
    except OSError as error:  # A disk that is full, a folder that may not be written to.
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _configure_logging() -> None:
    """Commands talk in lines of their own; services set their own level when they start."""
    settings = load_settings(LogSettings)
    is_asked = "level" in settings.model_fields_set
    quiet = settings.model_copy(update={"level": "WARNING"})
    configure_logging("cli", settings if is_asked else quiet)


def _refuse(error: TyperException) -> None:
    message = " ".join(error.format_message().split())
    if message:  # Without a command typer has shown the help already, and has no more to say.
        typer.secho(f"fixstream: {message}", fg=typer.colors.RED, err=True)
    sys.exit(error.exit_code)


def _fail(error: FixstreamError | str, status: int) -> None:
    typer.secho(f"fixstream: {error}", fg=typer.colors.RED, err=True)
    sys.exit(status)
