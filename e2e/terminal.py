"""A terminal of somebody who follows a page."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster.api import Client
from hack.cluster.layout import CHECKOUT
from hack.commands import README, files

Done = subprocess.CompletedProcess[str]
LIMIT_S = 180.0
ELSEWHERE = {"out", "dist", ".git", ".venv"}
"""What a terminal's folder has of its own."""


@dataclass(frozen=True)
class Terminal:
    """A reader's: in a folder that has what a checkout has.

    Attributes:
        folder: The folder; what commands write stays in it.
        variables: What is set in the environment.
        port: Port of this machine that is free, in place of 8000.
    """

    folder: Path
    variables: Mapping[str, str]
    port: int = 8000

    def prepare(self) -> None:
        """Have what a checkout has in the folder, and the files of the README."""
        for entry in Path(CHECKOUT).iterdir():
            if entry.name not in ELSEWHERE:
                (self.folder / entry.name).symlink_to(entry)
        (self.folder / ".venv").symlink_to(sys.prefix)
        (self.folder / ".exports").touch()
        self.write(files(README))

    def write(self, texts: Mapping[str, str]) -> None:
        """Write files by name."""
        for name, text in texts.items():
            (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, script: str, until: str = "") -> Done:
        """Run a script; what it exports is set in the next one.

        Args:
            script: The script.
            until: Interrupt the script when it has written this word; empty: wait until it ends.
        """
        script = script.replace("localhost:8000", f"localhost:{self.port}").replace(" 8000 &", f" {self.port}:8000 &")
        paths = self.folder / ".stdout", self.folder / ".stderr"
        with paths[0].open("w") as out, paths[1].open("w") as errors:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", f"source .exports\n{script}\nexport -p > .exports"],
                cwd=self.folder,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
            )
            try:
                code = self._interrupted(process, until) if until else process.wait(LIMIT_S)
            finally:  # what it has left in the background, too
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        done = Done(script, code, *(path.read_text(encoding="utf-8") for path in paths))
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done

    def _interrupted(self, process: subprocess.Popen[bytes], word: str) -> int:
        limit = time.monotonic() + LIMIT_S
        while not re.search(rf"\b{word}\b", written := (self.folder / ".stdout").read_text(encoding="utf-8")):
            assert process.poll() is None, (self.folder / ".stderr").read_text(encoding="utf-8")
            assert time.monotonic() < limit, written
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(LIMIT_S)
        return 0


@dataclass(frozen=True, kw_only=True)
class ClusterTerminal(Terminal):
    """One with kubectl, led to one namespace.

    Attributes:
        api: The administrator's client.
        namespace: The namespace.
    """

    api: Client
    namespace: str

    def object(self, path: str) -> Any:
        return self.api.request("GET", f"/apis/nvidia.com/v1beta1/namespaces/{self.namespace}/{path}")

    def names(self, plural: str) -> list[str]:
        return [item["metadata"]["name"] for item in self.object(plural)["items"]]
