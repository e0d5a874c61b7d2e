"""The dependency rule: a pure core, thin edges, and what else the design promises of a module."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "mlops_helpers"
LONGEST_MODULE = 300  # lines

# What a core module imports of ours, directly or through others, belongs to the core as well.
CORE = (
    "ab_draws",
    "ab_instead",
    "ab_limits",
    "ab_scores",
    "rule_scores",
    "ab_testing",
    "alerts",
    "application_checks",
    "arm_answers",
    "business",
    "cause_feeds",
    "cause_likeness",
    "cause_outcomes",
    "cause_scores",
    "causes",
    "confidence_sequences",
    "contracts",
    "curves",
    "data",
    "default_times",
    "drift",
    "enrolment",
    "two_sample_classifier",
    "expectations",
    "experiment_plan",
    "features",
    "gate_checks",
    "importance",
    "judge_scores",
    "lifecycle",
    "lifecycle_rules",
    "looking_back",
    "paired_bootstrap",
    "performance",
    "policies",
    "policy_loans",
    "policy_scores",
    "policy_world",
    "profiles",
    "retraining",
    "gathering",
    "feed_faults",
    "quarantine",
    "trigger_scores",
    "selected_baseline",
    "label_faults",
    "faulty_months",
    "label_waits",
    "training_windows",
    "expected_ranking",
    "scoring",
    "selection",
    "segments",
    "unit_ids",
    "vintages",
    "watching",
    "worlds",
)
SHOWN = ("plots", "dashboard")  # see tidy frames only

# Outside systems: the packages each is reached through, and the modules that may reach it.
SYSTEMS: dict[str, tuple[set[str], set[str]]] = {
    "MLflow": (
        {"mlflow"},
        {
            *("tracking", "runs", "comparing", "search", "cards.facts"),
            *("versions", "loading", "store_errors"),
        },
    ),
    "SQL": (
        {"sqlalchemy", "psycopg"},
        {
            "predictions",
            "tables",
            "sql_frames",
            "log_summaries",
            "log_plans",
            "log_experiments",
            "log_months",
            "log_ranks",
            "log_outcomes",
            "log_alerts",
            "log_deliveries",
            "log_health",
            "log_reading",
            "log_rows",
            "log_steps",
            "log_store",
            "upgrading",
            "reopening",
            "probing",
        },
    ),
    "figures": ({"matplotlib", "seaborn", "PIL"}, {"plots.*", "dashboard.panels"}),
    "widgets": ({"ipywidgets"}, {"dashboard.controls"}),
    "notebooks": (
        {"papermill", "nbconvert", "nbclient", "nbformat", "jupyter_client"},
        {"executing", "storing", "pages", "doctor"},
    ),
    # the exercise plants a pickle that must not be opened
    "model files": (
        {"skops", "joblib", "pickle"},
        {"model_files", "exercises.e02_registered_file"},
    ),
    "command line": ({"click"}, {"__main__"}),
    "pages": ({"jinja2"}, {"report", "cards.rendering"}),
    "network": (
        {"http", "urllib", "socket", "smtplib", "requests", "httpx", "aiohttp", "fastapi"},
        {"doctor", "browsing", "channels"},
    ),
}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "localtime"}
SEEDED = {"default_rng", "SeedSequence", "Generator", "BitGenerator", "PCG64", "Philox"}


@cache
def modules() -> dict[str, Path]:
    """Return the modules of the package by name without the package's: `drift`, `plots.base`."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def imports(module: str) -> set[str]:
    """Return the full names that a module imports, lazily or at once, types only or not."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(module: str) -> set[str]:
    """Return the modules of the package that a module imports."""
    names = {name.removeprefix("mlops_helpers.") for name in imports(module)}
    return (names & set(modules())) - {module, ""}


def reached(module: str) -> set[str]:
    """Return the modules of the package that a module needs, itself included."""
    seen: set[str] = set()
    todo = {module}
    while todo:
        seen |= todo
        todo = set().union(*map(ours, todo)) - seen
    return seen


def outside(module: str) -> set[str]:
    """Return the systems that a module reaches directly."""
    tops = {name.partition(".")[0] for name in imports(module)}
    return {system for system, (packages, _) in SYSTEMS.items() if tops & packages}


def core_modules() -> list[str]:
    """Return the core: the named modules and whatever of ours they need."""
    return sorted(set().union(*(reached(module) for module in CORE if module in modules())))


def test_the_modules_of_the_design_are_there():
    """Every module that the design names exists."""
    edges = {"tracking", "registry", "predictions", "workspace", "course", "__main__"}
    assert {*CORE, *SHOWN, *edges, "exercises"} <= set(modules())


@pytest.mark.parametrize("module", core_modules())
def test_the_core_is_pure(module: str):
    """The core reaches no outside system, neither itself nor through a helper."""
    assert outside(module) == set(), f"{module} is part of the core (needed by one of {CORE})"


@pytest.mark.parametrize("module", [m for m in modules() if m.partition(".")[0] in SHOWN])
def test_figures_see_frames_only(module: str):
    """Plots and dashboard reach no store: what they need comes to them as frames."""
    found = {system for needed in reached(module) for system in outside(needed)}
    assert found <= {"figures", "widgets"}


@pytest.mark.parametrize("module", sorted(modules()))
def test_each_system_is_reached_by_its_edges_only(module: str):
    """A module reaches at most one outside system, and only one that it is there for."""
    found = outside(module)
    for system in found:
        packages, edges = SYSTEMS[system]
        allowed = module in edges or f"{module.partition('.')[0]}.*" in edges
        assert allowed, f"{module} imports {packages}, which belong to {sorted(edges)}"
    if module != "doctor":  # which looks at everything
        assert len(found) <= 1


@pytest.mark.parametrize("module", core_modules())
def test_time_and_chance_are_arguments(module: str):
    """The core reads no clock and no global random state."""
    found = []
    for node in ast.walk(tree(module)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        head, _, last = name.rpartition(".")
        if head and last in CLOCKS and re.search(r"\b(time|date|datetime|Timestamp)\b", head):
            found.append(name)
        global_state = re.match(r"(?:(?:np|numpy)\.)?random\.(\w+)", name)
        if global_state and global_state[1] not in SEEDED:
            found.append(name)
        if last == "default_rng" and not (node.args or node.keywords):
            found.append(f"{name}() without a seed")
    assert not found


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_is_one_idea(module: str):
    """No module is longer than 300 lines: what grows past that is two ideas."""
    lines = len(modules()[module].read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_MODULE, f"{module} has {lines} lines"


@pytest.mark.parametrize("module", sorted(set(modules()) - {""}))
def test_every_module_has_its_tests(module: str):
    """Tests mirror modules: drift and test_drift; a package's modules may share test_<package>."""
    package, _, name = module.rpartition(".")
    if re.match(r"e\d\d_", name):
        name = name[:3]
    here = PROJECT / "tests" / package.replace(".", "/")
    places = [here / f"test_{name.strip('_')}.py", here / f"test_{name}_"]
    if package:
        places.append(PROJECT / "tests" / f"test_{package}.py")
    elif modules()[module].name == "__init__.py":
        places += [here / module]
    assert any(place.exists() for place in places), f"none of {[str(p) for p in places]}"


@pytest.mark.parametrize("module", sorted(set(modules()) - {"__main__"}))
def test_all_names_exist(module: str):
    """Every name in `__all__` is there to be imported, once, and every module can be imported."""
    imported = importlib.import_module(f"mlops_helpers.{module}".rstrip("."))
    names = getattr(imported, "__all__", [])
    assert [name for name in names if not hasattr(imported, name)] == []
    assert len(names) == len(set(names))


@pytest.mark.parametrize("module", ["", ".workspace", ".exercises", ".places"])
def test_importing_loads_nothing_heavy(module: str):
    """Importing the package, or a module carried by the standard library, is light."""
    code = (
        f"import sys, mlops_helpers{module}; "
        "heavy = {'numpy', 'pandas', 'sklearn', 'mlflow', 'matplotlib', 'sqlalchemy', 'scipy'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    assert done.stdout.strip() == "[]"


def test_the_map_names_every_module():
    """The package's docstring is a map: its modules are those that exist."""
    described = set(re.findall(r"^(\w+) {2,}\S", tree("").body[0].value.value, re.MULTILINE))
    missing = described - {module.partition(".")[0] for module in modules()}
    assert not missing, f"the map names {sorted(missing)}, which do not exist"
