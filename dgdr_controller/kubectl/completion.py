"""Words that complete a command line: names of requests and namespaces, ids of candidates.

kubectl asks a program ``kubectl_complete-dgdr`` beside the plugin: it is called with the words after ``kubectl dgdr``,
the last of which is the beginning of the wanted one, and prints one completion a line, then what the shell is to do.
"""

import sys

import click
from click.shell_completion import CompletionItem, ShellComplete
from msgspec.json import Decoder

from dgdr_controller.kinds import REQUESTS, Named
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.runtime import Resource

_NO_FILES, _FILES = 4, 0
"""cobra's directives: ShellCompDirectiveNoFileComp, ShellCompDirectiveDefault."""
_NAMES = Resource(REQUESTS.group, REQUESTS.version, REQUESTS.plural, REQUESTS.kind, decode=Decoder(Named).decode)
_NAMESPACES = Resource("", "v1", "namespaces", "Namespace", decode=Decoder(Named).decode, namespaced=False)
RECOMMENDED_ITEM = CompletionItem("recommended", help="the one that the search has chosen")


async def request_items(cluster: Cluster, begin: str) -> list[CompletionItem]:
    """Return the names of requests that begin so."""
    return [CompletionItem(name) for name in await _names(cluster, _NAMES) if name.startswith(begin)]


async def namespace_items(cluster: Cluster, begin: str) -> list[CompletionItem]:
    """Return the names of namespaces that begin so."""
    return [
        CompletionItem(name)
        for name in await _names(Cluster(cluster.connection, ""), _NAMESPACES)
        if name.startswith(begin)
    ]


async def candidate_items(cluster: Cluster, request: str, begin: str) -> list[CompletionItem]:
    """Return the ids of a request's candidates that begin so; of those that can be deployed, the best one first."""
    # Loaded here: the results bring along what takes half a second.
    from dgdr_controller.kubectl.published import read_results  # noqa: PLC0415

    results = await read_results(cluster, await cluster.get(REQUESTS, request))
    offered = (CompletionItem(c.id, help=f"{c.shape}, {c.gpus} GPUs") for c in results.candidates if c.is_offered)
    return [item for item in (RECOMMENDED_ITEM, *offered) if item.value.startswith(begin)]


async def _names(cluster: Cluster, resource: Resource[Named]) -> list[str]:
    return [item.metadata.name for item in await cluster.list(resource)]


def main() -> None:
    """Print what completes the last word, as kubectl reads it."""
    from dgdr_controller.kubectl.commands import dgdr  # noqa: PLC0415 - it imports this module

    sys.stdout.write("".join(f"{line}\n" for line in completions(dgdr, sys.argv[1:])))


def completions(command: click.Command, words: list[str]) -> list[str]:
    """Return the lines that kubectl reads for these words.

    Args:
        command: The plugin's command.
        words: What follows ``kubectl dgdr``; the last is the beginning of the wanted word.
    """
    *before, begin = words or [""]
    found = ShellComplete(command, {}, "kubectl dgdr", "_").get_completions(before, begin)
    items = [item for item in found if item.type == "plain"]
    lines = [f"{item.value}\t{item.help}" if item.help else item.value for item in items]
    wants_files = len(items) < len(found)
    return [*lines, f":{_FILES if wants_files else _NO_FILES}"]
