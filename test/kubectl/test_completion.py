"""What kubectl is told that completes a command line."""

from typing import Any

import pytest

from dgdr_controller.kubectl.commands import dgdr
from dgdr_controller.kubectl.completion import completions


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["can"], ["candidates\tList all candidates of a request: the...", ":4"]),
        (["candidates", "m", "-o", ""], ["wide", "json", ":4"]),
        (["apply", "-f", ""], [":0"]),
        (["export", "m", "--dgd-version", "v1a"], ["v1alpha1", ":4"]),
    ],
)
def test_words_are_completed_as_kubectl_reads_them(words: list[str], lines: list[str]) -> None:
    assert completions(dgdr, words) == lines


def test_completion_without_words_lists_the_commands() -> None:
    assert [line.partition("\t")[0] for line in completions(dgdr, [])][:3] == ["plan", "apply", "status"]


@pytest.mark.parametrize("words", [["status", "m"], ["explain", "m", "v"], ["status", "-n", ""]])
def test_completion_is_silent_where_the_cluster_is_away(run: Any, words: list[str]) -> None:  # noqa: ARG001 - the kubeconfig
    assert completions(dgdr, words) == [":4"]
