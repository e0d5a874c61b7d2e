"""Run notebooks in JupyterLab in a real browser, as a learner does, and look at them.

    python tools/browse_notebooks.py                         # all notebooks, no pictures
    python tools/browse_notebooks.py 03_monitoring --shots shots

For each notebook: open it in JupyterLab, *Restart Kernel and Run All Cells*, wait until every cell
has run, then read the page: errors, text on stderr, cells without a count. With `--shots` the whole
notebook is written as pictures, one for each screenful: `03_monitoring-01.png`, …

The notebooks are copies, so the files in `notebooks/` stay as they are; what they write goes to
`outputs/` as ever (or below MLOPS_ROOT). Chromium is that of the system (on Debian `apt-get install
chromium`), or what CHROMIUM names.

Exit code 0: every notebook ran clean. 1: one did not. 2: no browser, or no such notebook.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROJECT = Path(__file__).resolve().parents[1]
SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_OPTIONS = (
    "--no-sandbox",  # the browser opens nothing but this server, and may run as root in CI
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PRIVATE_FOLDERS = (  # nothing of the user's own Jupyter is read or changed
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "IPYTHONDIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
)
NEWS_SETTING = "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
WIDTH, HEIGHT = 1400, 1000
CLEAR_OUTPUTS = "notebook:clear-all-cell-outputs"

# What a learner could see of a notebook, read from the model behind the page: JupyterLab draws only
# the cells near the screen, so the page itself does not hold them all.
STATE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const session = panel.context.sessionContext.session;
  const cells = panel.context.model.toJSON().cells.filter(cell => cell.cell_type === 'code');
  const outputs = cells.flatMap((cell, index) =>
    cell.outputs.map(output => ({...output, cell: index + 1})));
  const text = value => Array.isArray(value) ? value.join('') : value;
  return {
    kernel: session?.kernel?.status ?? 'none',
    cells: cells.length,
    counts: cells.map(cell => cell.execution_count),
    errors: outputs.filter(output => output.output_type === 'error')
      .map(output => `cell ${output.cell}: ${output.ename}: ${output.evalue}`),
    stderr: outputs.filter(output => output.name === 'stderr')
      .map(output => `cell ${output.cell}: ${text(output.text)}`),
  };
}"""


@dataclass(frozen=True)
class Seen:
    """What one run of a notebook in the browser showed."""

    notebook: str
    seconds: float
    counts: tuple[int | None, ...]
    errors: tuple[str, ...]
    stderr: tuple[str, ...]
    shots: tuple[Path, ...]

    @property
    def faults(self) -> list[str]:
        """Return what a learner should not have seen: errors, warnings, cells that did not run."""
        found = list(self.errors)
        found += [text for text in self.stderr if "Warning" in text or "Traceback" in text]
        if list(self.counts) != list(range(1, len(self.counts) + 1)):
            found.append(f"the cells' counts are {list(self.counts)}")
        return found


def browser_path() -> Path | None:
    """Return the system's Chromium, or None."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)
    return Path(found) if found else None


@contextlib.contextmanager
def jupyterlab(folder: Path, *, environment: dict[str, str] | None = None) -> Iterator[str]:
    """Serve a folder with JupyterLab on a free port of this machine; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    state = folder.parent / "jupyter"
    state.mkdir(exist_ok=True)
    private = {name: str(state / name.lower()) for name in PRIVATE_FOLDERS}
    news = Path(private["JUPYTERLAB_SETTINGS_DIR"], NEWS_SETTING)
    news.parent.mkdir(parents=True, exist_ok=True)
    news.write_text('{"fetchNews": "false"}')  # or a question about it lies over the pictures
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--ServerApp.terminals_enabled=False",
        "--LabApp.expose_app_in_browser=True",
    ]
    with (state / "log").open("w") as log:
        server = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **private, **(environment or {})},
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/api?token={token}", server, state / "log")
            yield f"http://127.0.0.1:{port}/lab/tree/{{path}}?token={token}&reset"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def look(
    names: list[str],
    *,
    shots: Path | None = None,
    timeout: float = 600,
    notebooks: Path | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[Seen]:
    """Run each notebook in the browser and yield what was seen, one after the other.

    Raises ``FileNotFoundError`` for a missing browser or notebook, ``TimeoutError`` for a notebook
    that has not finished after ``timeout`` seconds.
    """
    from playwright.sync_api import sync_playwright

    browser = browser_path()
    if browser is None:
        raise FileNotFoundError(
            f"none of {', '.join(SYSTEM_BROWSERS)} is installed; on Debian and Ubuntu: "
            "apt-get install chromium, or set CHROMIUM to a browser's path"
        )
    source = notebooks or PROJECT / "notebooks"
    paths = [source / f"{name.removesuffix('.ipynb')}.ipynb" for name in names]
    for path in paths:
        if not path.is_file():
            known = ", ".join(sorted(found.stem for found in source.glob("*.ipynb")))
            raise FileNotFoundError(f"{path.name} is not in {source}; there are: {known}")
    with tempfile.TemporaryDirectory(prefix="browse-") as temporary:
        folder = Path(temporary) / "notebooks"
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        with (
            jupyterlab(folder, environment=environment) as address,
            sync_playwright() as playwright,
        ):
            context = playwright.chromium.launch_persistent_context(
                str(Path(temporary) / "browser"),
                executable_path=str(browser),
                args=list(BROWSER_OPTIONS),
                viewport={"width": WIDTH, "height": HEIGHT},
            )
            try:
                for path in paths:
                    page = context.new_page()
                    yield _look_at(page, address.format(path=path.name), path.stem, shots, timeout)
                    page.close()
            finally:
                context.close()


def _look_at(page: Page, address: str, name: str, shots: Path | None, timeout: float) -> Seen:
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.context?.isReady")
    _wait_until_idle(page, time.monotonic() + 60, "the kernel has not started")
    # What is stored must not be taken for what ran: nothing is left to see before the run.
    page.evaluate(f"() => window.jupyterapp.commands.execute('{CLEAR_OUTPUTS}')")
    page.get_by_role("button", name="Restart the kernel and run all cells").click()
    started = time.monotonic()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    state = _wait_until_run(page, started + timeout, name)
    seconds = time.monotonic() - started
    pictures = _photograph(page, name, shots) if shots else ()
    return Seen(
        name,
        seconds,
        tuple(state["counts"]),
        tuple(state["errors"]),
        tuple(state["stderr"]),
        pictures,
    )


def _wait_until_idle(page: Page, deadline: float, complaint: str) -> dict:
    while True:
        state = page.evaluate(STATE)
        if state["kernel"] == "idle":
            return state
        if time.monotonic() > deadline:
            raise TimeoutError(f"{complaint}: its status is {state['kernel']}")
        page.wait_for_timeout(250)


def _wait_until_run(page: Page, deadline: float, name: str) -> dict:
    """Wait until the kernel is idle with every cell counted, or with an error that stopped it."""
    while True:
        state = _wait_until_idle(page, deadline, f"{name} has not finished")
        page.wait_for_timeout(750)  # idle between two cells is not the end
        again = page.evaluate(STATE)
        ended = None not in again["counts"] or again["errors"]
        if again["kernel"] == "idle" and again["counts"] == state["counts"] and ended:
            return again
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} has not finished; its cells' counts are {again['counts']}")


def _photograph(page: Page, name: str, shots: Path) -> tuple[Path, ...]:
    """Write one picture for each screenful of the notebook, from top to bottom."""
    shots.mkdir(parents=True, exist_ok=True)
    for command in ("application:toggle-left-area", "application:toggle-mode"):
        page.evaluate(f"() => window.jupyterapp.commands.execute('{command}')")
    page.wait_for_timeout(500)
    scroller = page.locator(".jp-WindowedPanel-outer").first
    scroller.evaluate("element => element.scrollTo(0, 0)")
    taken: list[Path] = []
    while True:
        page.wait_for_timeout(400)  # cells are drawn when they come near the screen
        taken.append(shots / f"{name}-{len(taken) + 1:02d}.png")
        page.screenshot(path=str(taken[-1]))
        moved = scroller.evaluate(
            "element => { const before = element.scrollTop;"
            " element.scrollBy(0, element.clientHeight - 60); return element.scrollTop - before; }"
        )
        if moved < 1 or len(taken) >= 99:
            return tuple(taken)


def _wait_for(address: str, server: subprocess.Popen, log: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.25)
    raise TimeoutError(f"JupyterLab does not answer:\n{log.read_text()[-2000:]}")


def main() -> int:
    """Look at the notebooks named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Run notebooks in JupyterLab in a real browser.")
    parser.add_argument("notebooks", nargs="*", help="names such as 03_monitoring (default: all)")
    parser.add_argument(
        "--shots", type=Path, metavar="DIR", help="write a picture of each screenful"
    )
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one notebook")
    given = parser.parse_args()
    names = given.notebooks or sorted(path.stem for path in (PROJECT / "notebooks").glob("*.ipynb"))
    failed = False
    try:
        for seen in look(names, shots=given.shots, timeout=given.timeout):
            print(
                f"{seen.notebook}: {len(seen.counts)} cells, {seen.seconds:.0f} s, "
                f"{len(seen.shots)} pictures",
                flush=True,
            )
            for fault in seen.faults:
                print(f"  fault: {fault}", flush=True)
            for text in seen.stderr:
                print(f"  on stderr, {text.strip()[:200]}", flush=True)
            failed = failed or bool(seen.faults)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    except TimeoutError as error:
        print(error, file=sys.stderr)
        return 1
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
