"""The public names of the package."""

from __future__ import annotations

import doctest
import importlib.util
import inspect as python_inspect
import subprocess
import sys
from importlib import metadata

import pytest

import edgecnn
from edgecnn.zoo import MODELS


@pytest.mark.parametrize("name", edgecnn.__all__)
def test_every_public_name_can_be_had_and_is_documented(name: str) -> None:
    value = getattr(edgecnn, name)
    assert name in dir(edgecnn)
    if python_inspect.isclass(value) or python_inspect.isfunction(value):
        assert value.__doc__
        assert value.__module__.startswith("edgecnn")


@pytest.mark.parametrize("name", edgecnn.__all__)
def test_no_public_name_is_a_submodules(name: str) -> None:
    assert importlib.util.find_spec(f"edgecnn.{name}") is None


def test_the_verbs_are_functions_also_after_their_modules_are_imported() -> None:
    import edgecnn.inspection

    for verb in (edgecnn.export, edgecnn.verify, edgecnn.inspect, edgecnn.models):
        assert python_inspect.isfunction(verb)


def test_models_are_the_zoo() -> None:
    assert edgecnn.models() == tuple(MODELS.values())


def test_the_examples_in_the_documentation() -> None:
    tried = doctest.testmod(edgecnn)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'edgecnn' has no attribute 'exprot'"):
        edgecnn.exprot  # noqa: B018 - the access is the test


def test_version_is_the_installed_packages_or_says_that_it_is_not_installed() -> None:
    try:
        expected = metadata.version("edgecnn")
    except metadata.PackageNotFoundError:
        expected = "0+uninstalled"
    assert edgecnn.__version__ == expected


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import edgecnn;"
        "print([m for m in set(sys.modules) - before if m.partition('.')[0] not in"
        " ('edgecnn', *sys.stdlib_module_names)], [m for m in sys.modules if m[:8] == 'edgecnn.'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"
