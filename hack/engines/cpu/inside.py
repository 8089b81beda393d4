"""Runs as the first process of the pods' network: gives them their addresses, starts and asks them.

The request comes as JSON on the standard input: pods, model, questions, and the length of an answer in tokens. What the
deployment answers is written to ``observed.json`` in the folder that the first argument names. The logs of the pods are
in that folder, too, and the files by which they discover each other.
"""

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hack.cluster.api import opener

_ANSWER_S = 120.0
_PAUSE_S = 1.0
Pod = dict[str, Any]


def main(folder: Path) -> int:
    """Serve and ask; exit code 1: a pod has ended."""
    asked = json.load(sys.stdin)
    pods: list[Pod] = asked["pods"]
    _give_addresses(pod["address"] for pod in pods)
    processes = {pod["name"]: _start(pod, folder) for pod in pods}
    frontend = next(_url(pod) for pod in pods if pod["serves"])
    while not (all(map(_is_ready, pods)) and _lists(frontend, asked["model"])):
        ended = [name for name, process in processes.items() if process.poll() is not None]
        if ended:
            print(f"{', '.join(ended)} ended before it was ready", file=sys.stderr)
            return 1
        time.sleep(_PAUSE_S)
    answers = [_ask(frontend, asked["model"], question, asked["tokens"]) for question in asked["questions"]]
    observed = {"answers": answers, "cards": _cards(folder), "metrics": {pod["name"]: _metrics(pod) for pod in pods}}
    (folder / "observed.json").write_text(json.dumps(observed), encoding="utf-8")
    return 0


def _give_addresses(addresses: Iterable[str]) -> None:
    commands = ("link set lo up", *(f"address add {address}/32 dev lo" for address in addresses))
    for command in commands:
        subprocess.run(("ip", *command.split()), check=True)  # noqa: S603, S607 - our words, and the system's program


def _start(pod: Pod, folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / f"{pod['name']}.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - what the graph says
            pod["command"], env=pod["environment"], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def _url(pod: Pod) -> str:
    return f"http://{pod['address']}:{pod['port']}"


def _get(url: str, body: object = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - an address of this network
        url, data=data, headers={"Content-Type": "application/json"}
    )
    with opener().open(request, timeout=_ANSWER_S) as answer:
        return str(answer.read().decode())


def _is_ready(pod: Pod) -> bool:
    """Ask as Dynamo's operator lets the kubelet ask."""
    with contextlib.suppress(OSError):
        _get(f"{_url(pod)}/health")
        return True
    return False


def _lists(frontend: str, model: str) -> bool:
    return any(found["id"] == model for found in json.loads(_get(f"{frontend}/v1/models"))["data"])


def _ask(frontend: str, model: str, question: str, tokens: int) -> Any:
    messages = [{"role": "user", "content": question}]
    body = {"model": model, "messages": messages, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
    return json.loads(_get(f"{frontend}/v1/chat/completions", body))


def _cards(folder: Path) -> dict[str, Any]:
    cards = [json.loads(path.read_text(encoding="utf-8")) for path in (folder / "discovery/v1/mdc").iterdir()]
    return {card["component"]: card["card_json"] for card in cards}


def _metrics(pod: Pod) -> str:
    return _get(f"{_url(pod)}/metrics")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
