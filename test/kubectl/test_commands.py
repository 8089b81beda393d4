"""The command line itself: what is refused before any cluster is asked, and a cluster that does not answer."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from dgdr_controller.kubectl.commands import dgdr

Run = Callable[..., Result]
OF_ONE_REQUEST = ("status", "candidates", "explain", "export", "deploy", "open", "verify", "retry", "logs")


@pytest.mark.parametrize("command", dgdr.list_commands(click.Context(dgdr)))
def test_command_explains_itself(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Usage: dgdr {command} " in result.output


@pytest.mark.parametrize("command", OF_ONE_REQUEST)
@pytest.mark.parametrize("name", ["../secrets/x", "a b", "A", "", "a?watch=true", "ä"])
def test_what_cannot_be_a_name_is_refused(run: Run, command: str, name: str) -> None:
    result = run(command, name)
    assert result.exit_code == 2
    assert "is no name: use lower-case letters, digits, - and ." in result.output


@pytest.mark.parametrize("command", OF_ONE_REQUEST)
def test_api_server_that_is_away_is_one_sentence(run: Run, command: str) -> None:
    result = run(command, "my-model")
    assert result.exit_code == 1
    assert result.output == (
        "Error: The API server at https://127.0.0.1:1 does not answer (All connection attempts failed): check that the "
        "cluster runs, and that --context names it\n"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--timeout", "soon"), "'soon' is no duration: use 90s, 10m or 2h"),
        (("--kubeconfig", "none"), "File 'none' does not exist."),
        (("-n", "a/b"), "'a/b' is no name"),
    ],
)
def test_option_that_makes_no_sense_is_refused(run: Run, words: tuple[str, ...], sentence: str) -> None:
    result = run("status", "my-model", *words)
    assert result.exit_code == 2
    assert sentence in result.output


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty or incomplete"),
        ("a: [", "while parsing a flow node"),
        ("{current-context: x, contexts: []}", "Context x not found"),
        ("{contexts: []}", "it is empty or incomplete"),
    ],
)
def test_kubeconfig_that_leads_nowhere_is_one_sentence(run: Run, kubeconfig: Path, text: str, why: str) -> None:
    kubeconfig.write_text(text)
    result = run("status", "my-model")
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: The kubeconfig does not lead to a cluster ({why}")
    assert len(result.output.splitlines()) == 1


def test_login_that_fails_is_one_sentence(run: Run, kubeconfig: Path) -> None:
    login = '{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ["-c", "echo no session >&2; exit 3"]}}'
    kubeconfig.write_text(kubeconfig.read_text().replace("{client-key-data: LS0tLS0=, token: t}", login))
    result = run("status", "my-model")
    assert result.exit_code == 1
    assert "(Process exited with non-zero code 3: no session)" in result.output


def test_context_and_namespace_may_stand_before_the_command(run: Run) -> None:
    assert "(No such context elsewhere)" in run("--context", "elsewhere", "status", "my-model").output
    assert "(No such context here2)" in run("--context", "elsewhere", "status", "my-model", "--context", "here2").output


def test_keys_of_the_kubeconfig_do_not_stay_behind(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    assert run("status", "my-model").exit_code == 1
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("candidates", [("a",), ("a", "a"), ("a", "b", "c", "d", "e")])
def test_comparison_takes_two_to_four_candidates(run: Run, candidates: tuple[str, ...]) -> None:
    result = run("compare", "my-model", *candidates)
    assert result.exit_code == 2
    assert "name two to 4 different candidates" in result.output


@pytest.mark.parametrize("duration", ["5s", "0s", "2h", "1", "soon"])
def test_verification_takes_ten_seconds_to_an_hour(run: Run, duration: str) -> None:
    result = run("verify", "my-model", "--for", duration)
    assert result.exit_code == 2
    assert "Invalid value for '--for': " in result.output
