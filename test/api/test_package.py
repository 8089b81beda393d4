"""Other programs may use the API package with pydantic and nothing else."""

import doctest
import subprocess
import sys

import dgdr_api

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
import dgdr_api
for module in pkgutil.walk_packages(dgdr_api.__path__, "dgdr_api."):
    importlib.import_module(module.name)
    print(module.name)
foreign = {"yaml", "click", "rich", "pydantic_settings", "dgdr_controller"} & set(sys.modules)
sys.exit(f"also imported: {sorted(foreign)}" if foreign else 0)
"""


def test_api_modules_import_neither_the_controller_nor_its_libraries() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_EVERYTHING], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    assert {"dgdr_api.parse", "dgdr_api.v1beta1", "dgdr_api.validation"} <= set(done.stdout.split())


def test_example_of_the_package_works() -> None:
    result = doctest.testmod(dgdr_api)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_exported_name_exists_and_is_documented() -> None:
    exported = {name: getattr(dgdr_api, name) for name in dgdr_api.__all__}
    assert [name for name, value in exported.items() if not value.__doc__] == []
