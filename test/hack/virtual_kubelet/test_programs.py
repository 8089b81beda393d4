from pathlib import Path

from hack.virtual_kubelet import programs
from hack.virtual_kubelet.layout import NodeFolder
from hack.virtual_kubelet.programs import Program


def test_program_table_reads_back_and_grows(tmp_path: Path) -> None:
    assert programs.read(tmp_path) == {}
    first, second = Program(("a", "b")), programs.python_program(Path("/venv/bin"), "dgdr")
    programs.offer(tmp_path, {"one": first})
    programs.offer(tmp_path, {"two": second})
    assert programs.read(tmp_path) == {"one": first, "two": second}


def test_program_table_has_the_projects_images_and_pause() -> None:
    assert set(programs.of_this_checkout()) == {
        "localhost/dgdr-controller",
        "localhost/dgdr-profiler",
        "localhost/pause",
    }


def test_host_paths_stay_in_the_nodes_folder(tmp_path: Path) -> None:
    for path in ("/run/x", "/run/../run/x", "/../run/x"):
        assert NodeFolder(tmp_path).host(path) == tmp_path / "host" / "run" / "x"
