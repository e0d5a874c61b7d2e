"""The report shows every notebook, and what went wrong, to everybody."""

import re
import threading
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from mlops_helpers import report, retrainings, standing
from mlops_helpers.fingerprints import Facts, Failure, Run
from mlops_helpers.places import PHASES
from mlops_helpers.report import (
    Row,
    render,
    renew_retrainings,
    summary,
    versions,
    write_report,
)
from tests.tiny import write_course

FACTS = Facts("loans.csv", 42_535, {"no <income>": 4, "still running": 1_096}, simulated=False)
WHEN = datetime(2024, 12, 31, 23, 59, tzinfo=UTC)


def _run(name: str, **changes) -> Run:
    known = {
        "notebook": name,
        "status": "passed",
        "fingerprint": "f",
        "token": "t",
        "seconds": 12.34,
        "finished_at": "2024-12-31T23:00:00+00:00",
        "headlines": {"AUC on later loans": "0.701 & more"},
    }
    return Run(**{**known, **changes})


@pytest.fixture
def rows(tmp_path) -> list[Row]:
    """Four notebooks: passed, up to date, failed, not run."""
    folder = write_course(tmp_path / "notebooks", 4)
    paths = [folder / f"{phase}.ipynb" for phase in PHASES[:4]]
    failure = Failure(7, "model.predict(x)", "ValueError", "x has <3> columns")
    failed = _run(PHASES[2], status="failed", failure=failure, headlines={})
    return [
        Row(paths[0], "passed", _run(PHASES[0]), now=True),
        Row(paths[1], "up to date", _run(PHASES[1])),
        Row(paths[2], "failed", failed, now=True),
        Row(paths[3], "not run", None),
    ]


@pytest.fixture
def outputs(tmp_path):
    """A folder with the files of the first notebook only."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    for ending in ("html", "ipynb"):
        (folder / f"{PHASES[0]}.{ending}").write_text("")
    return folder


class _Page(HTMLParser):
    """Tags with their attributes, and a check that every tag is closed."""

    VOID = ("meta", "link", "br", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_every_notebook_has_a_row_with_its_results(rows, outputs):
    """Title, state in words, seconds and headlines are there, escaped."""
    text = render(rows, FACTS, outputs=outputs, when=WHEN)
    for phase in PHASES[:4]:
        assert f"The phase {phase}" in text
    for words in ("✓ passed", "✓ up to date, skipped", "✗ failed", "– not run"):
        assert words in text
    assert "12.3 s" in text
    assert "AUC on later loans: <strong>0.701 &amp; more</strong>" in text
    assert "2024-12-31 23:59 UTC" in text


def test_a_failure_names_cell_and_exception(rows, outputs):
    """The failed run is the first thing on the page: notebook, cell, exception, message."""
    text = render(rows, FACTS, outputs=outputs, when=WHEN)
    section = re.search(r'<section class="alarm".*?</section>', text, re.DOTALL)[0]
    assert text.index(section) < text.index("<table")
    assert "</strong> with <strong>" in " ".join(section.split())
    for part in (PHASES[2], "[7]", "ValueError", "model.predict(x)", "x has &lt;3&gt; columns"):
        assert part in section


def test_what_was_read_and_left_out_is_told(rows, outputs):
    """Source, rows read and each reason with its rows."""
    text = render(rows, FACTS, outputs=outputs, when=WHEN)
    for part in ("loans.csv", "42,535", "1,100", "4 – no &lt;income&gt;", "1,096 – still running"):
        assert part in text


def test_the_picture_appears_only_if_it_is_there(rows, outputs):
    """No broken image; and when there is one, it has alternative text."""
    assert _Page(render(rows, FACTS, outputs=outputs, when=WHEN)).all("img") == []
    (outputs / "dashboard.png").write_bytes(b"")
    image = _Page(render(rows, FACTS, outputs=outputs, when=WHEN)).all("img")
    assert [attributes["src"] for attributes in image] == ["dashboard.png"]
    assert len(image[0]["alt"]) > 40


def test_the_page_is_well_formed_and_asks_nothing_of_the_network(rows, outputs):
    """Tags are balanced, links are to files that are there, the language is stated."""
    page = _Page(render(rows, FACTS, outputs=outputs, when=WHEN))
    assert page.open == []
    assert page.all("html") == [{"lang": "en"}]
    assert page.all("script") == []
    targets = [tag["href"] for tag in page.all("a")] + [tag["href"] for tag in page.all("link")]
    assert targets == [f"{PHASES[0]}.html", f"{PHASES[0]}.ipynb", "data:,"]
    assert len(page.all("h1")) == 1


def test_the_summary_counts_states(rows):
    """One sentence for the terminal and the top of the page."""
    assert summary(rows) == "4 notebooks: 1 passed, 1 up to date, 1 failed, 1 not run."


def test_versions_name_python_and_the_main_packages():
    """Whoever reads the report knows what made it."""
    found = versions()
    assert {"Python", "System", "mlflow", "pandas", "scikit-learn"} <= found.keys()
    assert "not installed" not in found.values()


def test_it_is_written_in_one_step(rows, outputs):
    """The page replaces the one before; no half file is left beside it."""
    write_report(outputs, rows[:1], FACTS)
    path = write_report(outputs, rows, FACTS)
    assert "4 notebooks" in path.read_text(encoding="utf-8")
    assert [p.name for p in outputs.iterdir() if p.name.startswith(".")] == []


NASTY = "<script>alert('1')</script> <!-- retrainings end --> & \"so\""


def _retrained(outputs, told: str, outcome: str = "kept") -> None:
    """A retraining whose every text is `told`."""
    rows = [
        {"stage": told, "status": "failed", "seconds": 12.34, "attempts": 2, "result": {}},
        {"stage": "promote", "status": "done", "seconds": None, "attempts": 1, "result": {}},
    ]
    steps = pd.DataFrame(rows).assign(key=told, told=told, started_at=pd.Timestamp(WHEN))
    steps["result"] = [{}, {"outcome": outcome}]
    retrainings.write(outputs / "state" / "0a" / "standing", steps)


def test_scheduled_retrainings_are_on_the_page(rows, outputs):
    """Run, outcome with its sentence, each stage with status and seconds; no section without."""
    assert "Scheduled retraining" not in render(rows, FACTS, outputs=outputs, when=WHEN)
    _retrained(outputs, "as of 2024-06-01", "vetoed")
    text = render(rows, FACTS, outputs=outputs, when=WHEN)
    for part in (
        '<h2 id="retrainings">Scheduled retraining</h2>',
        "as of 2024-06-01<br><small>2024-12-31 23:59 UTC</small>",
        "<strong>vetoed</strong><br>as of 2024-06-01",
        "✗ as of 2024-06-01 failed</span>, 12.3 s, attempt 2: as of 2024-06-01",
        "✓ promote done</span></li>",
        "<p>The newest 50 of each lender at most; the log has all.</p>",
    ):
        assert part in text


def test_what_a_retraining_says_stays_text(rows, outputs):
    """No tag and no comment of its own gets onto the page, at first or when it is renewed."""
    _retrained(outputs, NASTY, NASTY)
    path = write_report(outputs, rows, FACTS)
    for _ in range(2):
        text = path.read_text(encoding="utf-8")
        page = _Page(text)
        assert page.open == []
        assert page.all("script") == []
        assert text.count("<!-- retrainings end -->") == 1
        assert text.count("&lt;script&gt;alert(&#39;1&#39;)") == 5
        assert renew_retrainings(outputs) == path


def test_a_page_is_renewed_in_its_retrainings_only(rows, outputs):
    """A retraining between two runs of the course is shown at once; all else stays as it was."""
    path = write_report(outputs, rows, FACTS)
    before = path.read_text(encoding="utf-8")
    assert renew_retrainings(outputs) == path
    assert path.read_text(encoding="utf-8").split() == before.split()
    _retrained(outputs, "as of 2024-06-01")
    renew_retrainings(outputs)
    text = path.read_text(encoding="utf-8")
    begins, ends = text.index("<!-- retrainings begin"), text.index("<!-- retrainings end")
    assert "as of 2024-06-01" in text[begins:ends]
    assert text.startswith(before[:begins])
    assert text.endswith(before[before.index("<!-- retrainings end") :])


def test_where_there_is_no_page_none_is_renewed(outputs):
    """No report yet, or one of before: the next run of the course writes it."""
    assert renew_retrainings(outputs) is None
    assert not (outputs / "index.html").exists()
    (outputs / "index.html").write_text("<p>old</p>", encoding="utf-8")
    assert renew_retrainings(outputs) is None
    assert (outputs / "index.html").read_text(encoding="utf-8") == "<p>old</p>"


def test_two_lenders_are_told_apart(rows, outputs):
    """The same day of two files has a row each, which says whose it is."""
    for state, name in (("0a", "ours.csv"), ("0b", "theirs <b>.csv")):
        folder = outputs / "state" / state / "standing"
        steps = pd.DataFrame([{"key": "credit-risk 2024-06-01", "stage": "watch", "told": ""}])
        steps = steps.assign(status="running", seconds=None, attempts=1, started_at=WHEN)
        retrainings.write(folder, steps.assign(result=[{}]))
        standing.write(folder, standing.Begun((f"/data/{name}",), 42, str(outputs)))
    text = render(rows, FACTS, outputs=outputs, when=WHEN)
    for whose in ("ours.csv, seed 42", "theirs &lt;b&gt;.csv, seed 42"):
        assert f"<small>2024-12-31 23:59 UTC</small><br><small>{whose}</small>" in text


def test_a_page_in_another_encoding_is_renewed_too(rows, outputs):
    """Somebody saved it as Latin-1: what is not the retrainings' stays, byte for byte."""
    path = write_report(outputs, rows, FACTS)
    before = path.read_bytes().replace("✓".encode(), b"\xe9")
    path.write_bytes(before)
    _retrained(outputs, "as of 2024-06-01")
    assert renew_retrainings(outputs) == path
    after = path.read_bytes()
    assert b"as of 2024-06-01" in after
    assert after.startswith(before[: before.index(b"<!-- retrainings begin")])
    assert after.endswith(before[before.index(b"<!-- retrainings end") :])


def test_a_retraining_and_the_course_write_the_page_in_turn(rows, outputs, monkeypatch):
    """What a course writes while a retraining renews the page is not lost."""
    path = write_report(outputs, rows[:1], FACTS)
    course = threading.Thread(target=write_report, args=(outputs, rows, FACTS))
    retrained = report._retrained

    def slowly(folder: Path) -> str:
        text = retrained(folder)
        if threading.current_thread() is not course:  # the page of before has been read
            course.start()
            course.join(timeout=1)
        return text

    monkeypatch.setattr(report, "_retrained", slowly)
    renew_retrainings(outputs)
    course.join()
    assert "4 notebooks" in path.read_text(encoding="utf-8")
