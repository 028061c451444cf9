"""One environment in three files: pyproject.toml says what is needed, the others pin it and repeat it for conda."""

import ast
import re
import sys
import tomllib
from importlib.metadata import version

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

NEVER_IMPORTED = {
    "jupyterlab": "the place where notebooks are open",
}


@pytest.fixture
def project(checkout):
    return tomllib.loads((checkout / "pyproject.toml").read_text())["project"]


@pytest.fixture
def pins(checkout):
    lines = (checkout / "constraints.txt").read_text().splitlines()
    pinned = [Requirement(line) for line in lines if not line.startswith("#")]
    names = {_plain(pin.name): pin.specifier for pin in pinned}
    assert len(names) == len(pinned)
    return names


def _plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_requirement_is_pinned_to_a_version_that_it_allows(project, pins):
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    for needed in (Requirement(line) for names in lists for line in names):
        if needed.name == project["name"]:
            continue
        (pin,) = pins[_plain(needed.name)]
        assert pin.operator == "=="
        assert pin.version in needed.specifier, needed


def test_what_is_imported_is_required_and_the_other_way_round(project, package):
    required = {_plain(Requirement(line).name) for line in project["dependencies"]}
    extras = project["optional-dependencies"].values()
    optional = {_plain(Requirement(line).name) for lines in extras for line in lines}
    assert len(required) == len(project["dependencies"])
    nodes = [node for source in package for node in ast.walk(source.tree)]
    modules = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    modules = {module.split(".")[0] for module in modules} - sys.stdlib_module_names
    modules = {module for module in modules if not module.startswith("nagkit")}
    imported = {_plain({"PIL": "pillow", "sklearn": "scikit-learn"}.get(module, module)) for module in modules}
    assert imported - required - optional == set()
    assert required - imported == set(NEVER_IMPORTED)


def test_a_pin_takes_local_builds_too(pins):
    assert "2.13.0+cpu" in pins["torch"]
    assert not [name for name, pin in pins.items() if "+" in str(pin)]


def test_conda_users_get_the_same(project, checkout):
    environment = yaml.safe_load((checkout / "environment.yml").read_text())
    *plain, last = environment["dependencies"]
    assert environment["name"] == project["name"]
    assert last == {"pip": ["-c constraints.txt", "-e .[dev]"]}
    (python,) = (line for line in plain if line.startswith("python"))
    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(project["requires-python"])
    assert "pip" in plain


def test_the_changelog_begins_with_this_version(project, checkout):
    newest = re.search(r"^## (\S+)", (checkout / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == project["version"] == version("nagkit")


def test_readme_and_continuous_integration_give_the_same_test_command(checkout):
    assert "make test" in (checkout / "README.md").read_text()
    assert (checkout / ".ci" / "run").read_text().rstrip().endswith("\nmake test")


def test_every_target_of_the_makefile_is_explained(checkout):
    text = (checkout / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert set(phony.split()) == set(re.findall(r"^(\w+):.*  ## \S", text, re.MULTILINE))
