"""``python -m hack.demo``: everything that is there already is used again; Ctrl-C and another run work."""

import os
import shlex
import sys
import time

import click

from hack.cluster.api import Client
from hack.cluster.binaries import kubectl as program
from hack.cluster.layout import CHECKOUT, cache
from hack.cluster.model import Cluster, Level
from hack.cluster.program import run
from hack.cluster.progress import ClusterError, duration, locked
from hack.cluster.resolve import resolve
from hack.demo import show
from hack.demo.follow import find, follow
from hack.dynamo.endpoint import Endpoint
from hack.installation import dynamo_operator, install
from hack.kubectl import kubectl
from hack.prepare import choose, prepare

SAMPLE = CHECKOUT / "config" / "samples" / "qwen3-32b.yaml"
_NAME = "qwen3-32b"
_MODEL = "Qwen/Qwen3-32B"
_REQUEST = f"/apis/nvidia.com/v1beta1/namespaces/default/dynamographdeploymentrequests/{_NAME}"
_GRAPH = f"/apis/nvidia.com/v1beta1/namespaces/default/dynamographdeployments/{_NAME}-dgd"
_PODS = f"/api/v1/namespaces/default/pods?labelSelector=nvidia.com/dynamo-graph-deployment-name%3D{_NAME}-dgd"
_JOB = f"/apis/batch/v1/namespaces/default/jobs/profile-{_NAME}"
_TERMINATED_S = 30.0


def demo(wanted: Level, *, verbose: bool) -> None:
    """Set everything up, apply the sample, follow it to its end.

    Args:
        wanted: How much of a cluster is wanted, where this machine can have it.
        verbose: Whether to show everything.

    Raises:
        ClusterError: Something cannot be set up, or the request does not end as it should.
    """
    begun = time.monotonic()
    cluster = resolve(docker_too=wanted is Level.NODE)
    if not cluster.ours:
        raise ClusterError(
            "the demo makes a cluster of its own: unset DGDR_KUBECONFIG; on a cluster that exists, push the images "
            "(make build-images) and install them with `make deploy IMG=... PROFILER_IMG=...`"
        )
    level, sentence = choose(cluster, wanted)
    click.echo(sentence)
    prepare(cluster, level)
    cluster.up(level)
    install(cluster)
    api = Client(cluster.kubeconfig)
    with locked(cache() / "clusters" / f"{cluster.name}.demo.lock", "Another demo runs"), dynamo_operator(cluster):
        _apply(cluster, api)
        phase = follow(api, _REQUEST)
        if phase != "Deployed":
            raise ClusterError(f"the request ended as {phase}: see {_kubectl(cluster)} describe dgdr {_NAME}")
        _show(cluster, api, verbose=verbose)
    click.echo(f"\nFrom the start of the demo to here: {duration(time.monotonic() - begun)}. Go on with:")
    click.echo(f"  {_kubectl(cluster)} get dgdr,dgd,pods")
    click.echo(f"  .venv/bin/dgdr plan -f {SAMPLE.relative_to(CHECKOUT)} --report plan.html")
    click.echo("  make demo-down")


def _kubectl(cluster: Cluster) -> str:
    """Return kubectl for this cluster, as a shell takes it."""
    return f"{shlex.quote(program())} --kubeconfig {shlex.quote(str(cluster.kubeconfig))}"


def _apply(cluster: Cluster, api: Client) -> None:
    """Apply the sample; the request of an earlier demo and its deployment are deleted first."""
    for kind, name, path in (("dgdr", _NAME, _REQUEST), ("dgd", f"{_NAME}-dgd", _GRAPH)):
        if find(api, path):  # a given cluster may not know DGDs
            kubectl(cluster, "delete", kind, name, "--wait")
    limit = time.monotonic() + _TERMINATED_S
    while find(api, _JOB) and time.monotonic() < limit:
        time.sleep(0.2)
    click.echo(f"\n$ kubectl apply -f {SAMPLE.relative_to(CHECKOUT)}")
    for line in SAMPLE.read_text().splitlines():
        click.echo(f"  {line}")
    kubectl(cluster, "apply", "-f", str(SAMPLE))


def _show(cluster: Cluster, api: Client, *, verbose: bool) -> None:
    request = find(api, _REQUEST) or {}
    click.echo(f"\nChosen: {show.verdict(request)}")
    _lines("Candidates:", show.candidates(request, limit=sys.maxsize) if verbose else show.candidates(request))
    if verbose:
        click.echo(f"\n$ kubectl describe dgdr {_NAME}\n{kubectl(cluster, 'describe', 'dgdr', _NAME)}")
        click.echo(
            f"$ kubectl get dgd {_NAME}-dgd -o yaml\n{kubectl(cluster, 'get', 'dgd', f'{_NAME}-dgd', '-o', 'yaml')}"
        )
    else:
        _lines("Conditions:", show.conditions(request))
    if cluster.ours:
        click.echo(f"Pods: {show.pods(find(api, _PODS) or {'items': []})}")
        _talk(cluster, api)


def _lines(title: str, lines: list[str]) -> None:
    click.echo("\n".join((title, *lines)))


def _talk(cluster: Cluster, api: Client) -> None:
    """Ask the endpoint something, as a client of OpenAI's API does."""
    endpoint = Endpoint(api, "default", f"{_NAME}-dgd")
    question = "Why is the sky blue?"
    answer = endpoint.chat(_MODEL, question, 20)["choices"][0]["message"]["content"].strip()
    address = endpoint.address()
    if address is None:
        click.echo(f"\n$ {_kubectl(cluster)} port-forward service/{_NAME}-dgd-frontend 8000 &")
    body = f'{{"model": "{_MODEL}", "messages": [{{"role": "user", "content": "{question}"}}]}}'
    click.echo(f"$ curl -H content-type:application/json {address or 'localhost:8000'}/v1/chat/completions -d '{body}'")
    click.echo(f"  {answer} (a simulated engine answers: random syllables)")


def down() -> None:
    """Take down what the demo has made, at whatever level; a cluster that was given is left as it is."""
    for cluster in (resolve(docker_too=False), resolve()):
        cluster.down()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("action", type=click.Choice(["up", "down"]), default="up")
@click.option(
    "--level",
    type=click.Choice([Level.VIRTUAL_NODE.value, Level.NODE.value]),
    default=Level.NODE.value,
    show_default=True,
    help="Where pods run: in containers of a node, or as processes of this machine.",
)
def command(action: str, level: str) -> None:
    """Bring the demo up, or take it down. VERBOSE=1 shows everything."""
    down() if action == "down" else demo(Level(level), verbose=bool(os.environ.get("VERBOSE")))


def main() -> None:
    """Run, and end with one sentence where something is wrong."""
    interrupted = "interrupted: make demo continues where it stopped, make demo-down ends it"
    run(lambda: command.main(standalone_mode=False), interrupted)


if __name__ == "__main__":
    main()
