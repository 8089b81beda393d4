import json
from pathlib import Path

import pytest

from hack.locks import metadata, project, record
from hack.locks.files import LockError
from hack.locks.metadata import Facts
from hack.locks.project import Project, Wanted
from hack.locks.targets import ALL, targets

SHA256 = {"a-1-cp311-abi3-manylinux_2_28_x86_64.whl": "1" * 64, "a-1-py3-none-any.whl": "2" * 64}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one lock: a package for Linux and macOS, and one for Windows."""
    (tmp_path / "requirements").mkdir()
    pins = ["a==1", "b==1 ; sys_platform == 'win32'"]
    (tmp_path / "requirements" / "x.txt").write_text("".join(f"{pin} --hash=sha256:{'1' * 64}\n" for pin in pins))
    wanted = Wanted("x", ("a",), targets(">=3.11,<3.14", ALL))
    monkeypatch.setattr(project, "read", lambda _: Project((wanted,), {}))
    return tmp_path


def answer(command: list[str]) -> str:
    """Answer as uv and pip do."""
    if "--report" not in command:
        files = [
            f'{{ url = "https://packages.test/{name}", hashes = {{ sha256 = "{digest}" }} }}'
            for name, digest in SHA256.items()
        ]
        return f'[[packages]]\nname = "a"\nversion = "1"\nwheels = [{", ".join(files)}]\n'
    assert Path(command[command.index("--requirement") + 1]).read_text() == f"a==1 --hash=sha256:{'1' * 64}\n"
    said = {"name": "A", "version": "1", "requires_dist": ["c >=2", "b"], "requires_python": "<4,>=3.9"}
    Path(command[command.index("--report") + 1]).write_text(json.dumps({"install": [{"metadata": said}]}))
    return ""


def test_record_holds_requirements_and_the_best_wheels_of_what_is_installed_somewhere(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "_run", answer)
    record.record(checkout)
    assert metadata.read(checkout) == {"a==1": Facts("<4,>=3.9", ("b", "c>=2"), SHA256)}
    assert "packages.test" not in (checkout / metadata.FILE).read_text()


def test_record_says_what_pip_says(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hack.locks.record.sys.executable", "/bin/false")
    monkeypatch.setattr(record, "_files", lambda _: {})
    with pytest.raises(LockError, match="/bin/false -m pip install failed"):
        record.record(checkout)
