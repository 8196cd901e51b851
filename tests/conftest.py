"""What holds for every test: its own cache, quiet libraries, and no skip where all must run.

Its place puts this folder on the module path: helper modules beside it can be imported.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import shutil
import signal
import tempfile
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from command_line import Here

REQUIRE_ALL = "EDGECNN_REQUIRE_ALL"
CACHE = "EDGECNN_CACHE"
LOCK = "EDGECNN_LOCK"

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)
_own_cache = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the environment before any test module is imported."""
    _quiet_libraries()
    _choose_hypothesis_profile()
    # This machine is a device too, and one bench at a time: workers must not meet at its lock.
    os.environ[LOCK] = os.path.join(tempfile.gettempdir(), f"edgecnn-tests-{os.getpid()}.lock")  # noqa: PTH118 - a string is what is wanted
    # Workers inherit the variable: one cache serves the run, so a network is built once.
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="edgecnn-tests-")
        config.stash[_own_cache] = folder
        os.environ[CACHE] = folder
        # A run in the background of a shell ignores SIGINT, and so would all that it starts.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what forks, and remove the run's cache."""
    import warm_children

    warm_children.nursery().close()
    folder = config.stash.get(_own_cache, None)
    if folder is not None:
        shutil.rmtree(folder)


def pytest_collection_finish() -> None:
    """Take what the collected modules imported from what garbage is looked for in.

    With TensorFlow loaded that is a fifth of a second each time, and an export asks for it twice.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failure where all must run."""
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a module that skips itself (`importorskip`) into an error, likewise."""
    return _refuse_skip((yield))


@pytest.fixture(scope="module")
def warm_children() -> Generator[None, None, None]:
    """Fork the module's children of `edgecnn.isolation`: a third of a second less for each.

    For tests of what comes of them; how a child starts, is limited and ends is tested elsewhere.
    """
    from warm_children import forked_by, nursery

    with forked_by(nursery()):
        yield


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    """`edgecnn ARGS --json` in this process."""
    from command_line import Here

    return Here(capsys)


@pytest.fixture
def short_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the quick plan measure for a tenth of a second: for tests of all but the times."""
    from edgecnn.benchmark import plans

    short = dataclasses.replace(plans.PLANS["quick"], warmup_s=0.02, min_s=0.1)
    monkeypatch.setitem(plans.PLANS, "quick", short)


@pytest.fixture
def float_stage_here(warm_children: None) -> Generator[None, None, None]:  # noqa: ARG001 - forked
    """Run the float stage in this process, where the test has imported TensorFlow already.

    For tests of what is exported. The child process that it usually has is tested by those that
    start the command line, and in test_export_own_models.py. The other children are forked.
    """
    with _float_stage_here():
        yield


@pytest.fixture(scope="module")
def float_stage_here_throughout(
    warm_children: None,  # noqa: ARG001 - forked
) -> Generator[None, None, None]:
    """The same for a module whose exports are fixtures that its tests share."""
    with _float_stage_here():
        yield


@contextlib.contextmanager
def _float_stage_here() -> Generator[None, None, None]:
    from edgecnn import isolation
    from edgecnn.convert import float_stage

    in_a_child = isolation.run

    def run(function: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as `isolation.run`
        if function != "edgecnn.convert.float_stage:make":
            return in_a_child(function, *args, **kwargs)
        theirs = ("formats", "feeding", "progress")
        return float_stage.make(*args, **{name: kwargs[name] for name in theirs})

    with pytest.MonkeyPatch.context() as patch:
        for name, value in float_stage.ENVIRONMENT.items():  # the stage sets them; here undone
            patch.setenv(name, value)
        patch.setattr(isolation, "run", run)
        yield


def _refuse_skip(report: _Report) -> _Report:
    is_xfail = hasattr(report, "wasxfail")
    if report.skipped and not is_xfail and os.environ.get(REQUIRE_ALL):
        report.outcome = "failed"
        report.longrepr = (
            f"{_reason(report.longrepr)}\n{REQUIRE_ALL} is set: nothing may be skipped"
        )
    return report


def _reason(longrepr: object) -> str:
    """A skip's place and reason, as pytest keeps them: (path, line, reason)."""
    if isinstance(longrepr, tuple):
        path, line, reason = longrepr
        return f"{path}:{line}: {reason}"
    return str(longrepr)


def _quiet_libraries() -> None:
    """Keep TensorFlow to this worker's share of the cores, off any GPU, and silent."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, threads)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # some tests import onnxruntime before edgecnn
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""


def _choose_hypothesis_profile() -> None:
    """Fixed examples where a red run must be the change's fault; new ones at a desk."""
    settings.register_profile("desk", deadline=None)
    settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
    unattended = os.environ.get("CI") or os.environ.get(REQUIRE_ALL)
    settings.load_profile("ci" if unattended else "desk")
