"""The command line: ``python -m mlops_helpers run | retrain | mlflow | doctor | store``."""

import signal
import sys

try:
    import click
except ModuleNotFoundError:
    sys.exit("Packages are missing: pip install --require-hashes -r requirements.lock")

from mlops_helpers import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="mlops-helpers")
def main() -> None:
    """Run the course's notebooks, look at what they stored, check this machine."""


@main.command()
@click.argument("notebooks", nargs=-1)
@click.option("--data", metavar="PATH", help="Your own loans: a CSV or Parquet file.")
@click.option("--outputs", metavar="DIR", help="Where everything is written (default: outputs).")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter in the notebooks that know it; may be repeated.",
)
@click.option("--fresh", is_flag=True, help="Run everything again, up to date or not.")
def run(
    notebooks: tuple[str, ...],
    data: str | None,
    outputs: str | None,
    parameters: tuple[tuple[str, str], ...],
    fresh: bool,
) -> None:
    """Execute NOTEBOOKS (all if none is named) and write the report.

    Exit code 0: all is up to date. 1: a notebook failed. 2: what was asked for cannot be run, and
    nothing was touched.
    """
    from mlops_helpers.course import run as run_course
    from mlops_helpers.parameters import Refused
    from mlops_helpers.places import WorkspaceError
    from mlops_helpers.planning import place_of
    from mlops_helpers.report import summary

    try:
        rows = run_course(notebooks, data=data, outputs=outputs, parameters=parameters, fresh=fresh)
    except (Refused, WorkspaceError) as error:
        _leave(str(error), 2)
    except OSError as error:
        _leave(f"The run stopped: {error}. What has finished is kept.", 1)
    click.echo(summary(rows))
    click.echo(f"Report: {place_of(outputs, parameters) / 'index.html'}")
    for row in rows:
        if row.state == "failed" and row.now:
            _leave(f"{row.path.name}, {row.run.failure}", 1)


@main.command(hidden=True)
@click.argument("phase")
@click.option("--data", default="simulated")
@click.option("--seed", type=int, default=42)
@click.option("--outputs", default="outputs")
def prepare(phase: str, data: str, seed: int, outputs: str) -> None:
    """Run what PHASE needs and PHASE itself, if unfinished; a failure is told on stdout."""
    from mlops_helpers.parameters import Refused
    from mlops_helpers.places import WorkspaceError
    from mlops_helpers.preparing import prepare as prepare_phase

    try:
        problem = prepare_phase(phase, applications=data, seed=seed, outputs=outputs)
    except (Refused, WorkspaceError) as error:
        problem = str(error)
    if problem:
        click.echo(problem)
        sys.exit(1)


@main.command()
@click.option("--as-of", required=True, metavar="DAY", help="What was known on that day counts.")
@click.option(
    "--data", default="simulated", metavar="PATH", help="The loans: a CSV or Parquet file."
)
@click.option("--seed", type=int, default=42, show_default=True)
@click.option("--outputs", default="outputs", metavar="DIR", help="Where the state lies.")
@click.option(
    "--window",
    type=click.Choice(["expanding", "sliding", "weighted"]),
    default="expanding",
    show_default=True,
    help="Learn from all rows, the last twelve months, or all with weights that fade.",
)
@click.option(
    "--accept",
    "accepted",
    multiple=True,
    metavar="COLUMN",
    help="Its gaps and new words are known: they do not forbid it; may be repeated.",
)
def retrain(
    as_of: str, data: str, seed: int, outputs: str, window: str, accepted: tuple[str, ...]
) -> None:
    """Retrain the champion if need be: watch, check, train, judge, promote, as one step.

    Exit code 0: promoted. 3: kept, nothing is better. 4: vetoed, the data are broken. 6: the
    champion before was better and serves again. 5: another retraining is at work. 2: what was asked
    cannot be done, nothing was changed. 1: it failed on the way; the next call goes on.
    """
    from mlops_helpers.retrain_command import run_retraining

    options = {"data": data, "seed": seed, "outputs": outputs, "window": window}
    sys.exit(run_retraining(as_of, **options, accepted=accepted))


@main.command()
@click.argument("notebooks", nargs=-1)
def store(notebooks: tuple[str, ...]) -> None:
    """Execute NOTEBOOKS (all if none is named) from cold and store their outputs in the files."""
    from mlops_helpers.parameters import Refused
    from mlops_helpers.places import WorkspaceError
    from mlops_helpers.storing import store as store_outputs

    try:
        failed = store_outputs(notebooks)
    except (Refused, WorkspaceError) as error:
        _leave(str(error), 2)
    if failed:
        _leave(f"{failed}. No notebook was changed.", 1)


@main.command()
@click.option("--data", default="simulated", metavar="PATH", help="The loans of that run.")
@click.option("--seed", type=int, default=42, show_default=True, help="Its seed.")
@click.option("--outputs", default="outputs", metavar="DIR", help="Where it has written.")
@click.option("--phase", metavar="NAME", help="The phase (default: the last that has finished).")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def mlflow(data: str, seed: int, outputs: str, phase: str | None, port: int) -> None:
    """Open the MLflow UI on a copy of what a finished phase has stored; Ctrl-C ends it."""
    from mlops_helpers.browsing import find_finished, open_ui, runs_page
    from mlops_helpers.places import WorkspaceError

    try:
        finished = find_finished(phase, applications=data, seed=seed, outputs=outputs)
        with open_ui(finished, port=port) as server:
            click.echo(f"Runs after {finished.phase}: {runs_page(port)}")
            click.echo("It is a copy: what you change there is not kept. Ctrl-C ends it.")
            server.wait()
    except WorkspaceError as error:
        _leave(str(error), 2)
    except KeyboardInterrupt:
        click.echo("\nClosed.")


@main.command()
@click.option("--outputs", default="outputs", help="The folder that will be written to.")
def doctor(outputs: str) -> None:
    """Check interpreter, packages, kernel, port and disk; name the mend for what is missing."""
    from mlops_helpers.doctor import examine

    findings = examine(outputs)
    for finding in findings:
        click.echo(finding)
    if not all(finding.ok for finding in findings):
        sys.exit(1)


def _leave(message: str, code: int) -> None:
    click.echo(message, err=True)
    sys.exit(code)


def start() -> None:
    """Run the command line; Ctrl-C ends it with a sentence and exit code 130, SIGTERM with 143."""
    terminated = []

    def stop(number: int, _: object) -> None:
        terminated.append(number)
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a job behind a shell's `&`
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)  # one way to stop: kernels end, nothing half is left

    signal.signal(signal.SIGTERM, stop)
    try:
        main.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo(
            "\nStopped. What was finished is kept; the next run goes on from there.", err=True
        )
        sys.exit(143 if terminated else 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


if __name__ == "__main__":
    start()
