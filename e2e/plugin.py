"""``kubectl dgdr`` as a user runs it: kubectl finds the plugin on the path, and the plugin the cluster by a kubeconfig."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from e2e.journey import Journey
from hack.cluster.binaries import kubectl as program
from hack.cluster.local import Local
from hack.kubectl import environment, kubectl

Done = subprocess.CompletedProcess[str]
_LIMIT_S = 300
_GET_REQUESTS = ("create", "role", "reader", "--verb=get", "--resource=dynamographdeploymentrequests.nvidia.com")


@dataclass(frozen=True)
class Plugin:
    """The plugin in one namespace.

    Attributes:
        cluster: The cluster.
        namespace: The namespace.
        folder: A folder for files.
        variables: What is set in the environment besides.
    """

    cluster: Local
    namespace: str
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        folders = (str(Path(sys.executable).parent), str(Path(program()).parent), os.environ["PATH"])
        return environment(self.cluster) | {"PATH": os.pathsep.join(folders), **self.variables}

    def kubectl(self, *words: str, stdin: str = "") -> Done:
        return subprocess.run(
            ["kubectl", *words],
            env=self.environment,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )

    def __call__(self, command: str, *words: str, stdin: str = "") -> Done:
        """Run a command in the namespace; nothing that it comes to is a traceback."""
        done = self.kubectl("dgdr", command, "-n", self.namespace, *words, stdin=stdin)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def refused(self, command: str, *words: str, code: int = 1) -> str:
        """Run a command that cannot do what is wanted; return the sentence that it ends with."""
        done = self(command, *words)
        assert done.returncode == code, (done.stdout, done.stderr)
        sentence = done.stderr.splitlines()[-1]
        assert sentence.startswith("Error: ")
        return sentence.removeprefix("Error: ")

    def shown(self, command: str, *words: str) -> str:
        """Run a command that does what is wanted; return what it prints."""
        done = self(command, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def interrupted(self, journey: Journey, *words: str) -> Done:
        """Run a command, press Ctrl-C when it shows something."""
        command = ["kubectl", "dgdr", *words, "-n", journey.namespace]
        with subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            stuck = threading.Timer(_LIMIT_S, process.kill)
            stuck.start()
            assert process.stderr
            first = process.stderr.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
            stuck.cancel()
        return Done(command, process.returncode, out, first + err)

    def file(self, name: str, **spec: Any) -> str:
        """Write a request to a file; return the file's name."""
        manifest = {
            "apiVersion": "nvidia.com/v1beta1",
            "kind": "DynamoGraphDeploymentRequest",
            "metadata": {"name": name},
            "spec": {"model": "Qwen/Qwen3-32B", "hardware": {"gpuSku": "h200_sxm", "totalGpus": 2}} | spec,
        }
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(manifest))
        return f"{name}.yaml"

    def of_a_reader(self) -> "Plugin":
        """The plugin of somebody who may get requests and nothing else, and whom a program logs in."""
        in_namespace = ("-n", self.namespace)
        kubectl(self.cluster, *in_namespace, "create", "serviceaccount", "reader")
        kubectl(self.cluster, *in_namespace, *_GET_REQUESTS)
        kubectl(
            self.cluster, *in_namespace, "create", "rolebinding", "reader", "--role=reader",
            f"--serviceaccount={self.namespace}:reader",
        )  # fmt: skip
        token = kubectl(self.cluster, *in_namespace, "create", "token", "reader").strip()
        credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
        (self.folder / "credential").write_text(yaml.safe_dump(credential | {"status": {"token": token}}))
        login = self.folder / "login"
        login.write_text(
            f"#!{sys.executable}\nimport json, yaml\n"
            f"print(json.dumps(yaml.safe_load(open({str(self.folder / 'credential')!r}))))\n"
        )
        login.chmod(0o755)
        config = yaml.safe_load(self.cluster.kubeconfig.read_text())
        exec_ = {"apiVersion": credential["apiVersion"], "command": str(login), "interactiveMode": "Never"}
        config["users"][0]["user"] = {"exec": exec_}
        path = self.folder / "reader.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return Plugin(self.cluster, self.namespace, self.folder, {"KUBECONFIG": str(path)})
