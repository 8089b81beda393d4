"""What a container's process is started with: pure logic."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dgdr_controller.manifest import Manifest
from hack.cluster.processes import MARK
from hack.virtual_kubelet import fields
from hack.virtual_kubelet.expansion import expand
from hack.virtual_kubelet.layout import PodFolder
from hack.virtual_kubelet.paths import PathMap
from hack.virtual_kubelet.programs import Program, image_name
from hack.virtual_kubelet.sources import CONFIG_MAP, SECRET, Sources
from hack.virtual_kubelet.volumes import mounts

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
CONTAINER_MARK = "DGDR_CONTAINER"
"""Variable by which the processes of a container are found, however they were started."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TMP = "/tmp"  # noqa: S108 - a path in a container


class ImageError(Exception):
    """No program of this machine stands for an image; the message names the image and those that there are."""


class ConfigurationError(Exception):
    """A container's environment cannot be made; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What the containers of a pod share.

    Attributes:
        pod: The pod, with its address in its status.
        folder: Its files.
        places: Folders of its volumes by name.
        sources: The ConfigMaps and Secrets that it refers to.
        mark: Value of `MARK`.
    """

    pod: Manifest
    folder: PodFolder
    mount_paths: Mapping[str, str]
    sources: Sources
    mark: str

    @property
    def address(self) -> str:
        """The pod's address."""
        return str(self.pod["status"]["podIP"])


@dataclass(frozen=True, slots=True)
class Words:
    """How words of a container's commands become those of a process.

    Attributes:
        variables: The container's own variables.
        paths: Where its paths lead.
    """

    variables: Mapping[str, str]
    paths: PathMap

    def read(self, words: Iterable[str]) -> tuple[str, ...]:
        """Return the words with variables expanded and paths led to this machine."""
        return tuple(self.paths.translate(expand(word, self.variables)) for word in words)


@dataclass(frozen=True, slots=True)
class Launch:
    """How a process is started.

    Attributes:
        command: Program and arguments.
        environment: All of its variables.
        folder: Its working directory.
        words: How other commands of the container are read.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    words: Words

    def with_command(self, command: list[str]) -> "Launch":
        """Return the same for another command of the container: an exec probe, a hook."""
        return replace(self, command=self.words.read(command))


def program_of(image: str, programs: Mapping[str, Program]) -> Program:
    """Return the program that stands for an image.

    Raises:
        ImageError: None does.
    """
    found = programs.get(image_name(image))
    if found is None:
        raise ImageError(
            f'no program stands for image "{image}": a virtual node has no containers and can run only '
            f"{', '.join(sorted(programs))}"
        )
    return found


def _path_map(container: Manifest, program: Program, sandbox: Sandbox) -> PathMap:
    """Return where paths of a container lead."""
    name, folder = container["name"], sandbox.folder
    mount_paths = {
        _TMP: str(folder.tmp(name)),
        container.get("terminationMessagePath", "/dev/termination-log"): str(folder.termination_message(name)),
    }
    if program.image_bin:
        mount_paths[program.image_bin] = program.bin
    return PathMap(mount_paths | mounts(container, sandbox.mount_paths))


def launch(container: Manifest, program: Program, sandbox: Sandbox) -> Launch:
    """Return how a container's process is started.

    Raises:
        ConfigurationError: A variable cannot be set.
    """
    name, folder = container["name"], sandbox.folder
    paths = _path_map(container, program, sandbox)
    words = Words(_variables(container, sandbox), paths)
    command_line = words.read((*container.get("command", ()), *container.get("args", ())))
    image = {
        "PATH": os.pathsep.join(filter(None, (program.bin, _PATH))),
        "HOME": paths.translate(_TMP),
        "TMPDIR": paths.translate(_TMP),
        "HOSTNAME": sandbox.pod["metadata"]["name"],
        **program.environment,
    }
    if has_account(container):
        image["KUBECONFIG"] = str(folder.kubeconfig(name))
    marks = {MARK: sandbox.mark, CONTAINER_MARK: container_mark(sandbox.pod, name)}
    own = {key: paths.translate(value) for key, value in words.variables.items()}
    directory = Path(paths.translate(container.get("workingDir", _TMP)))
    command = (*(() if container.get("command") else program.entrypoint), *command_line)
    return Launch(command, image | own | marks, directory, words)


def has_account(container: Manifest) -> bool:
    """Say whether a container has the token of its ServiceAccount at the well-known path."""
    return any(mount["mountPath"].rstrip("/") == SERVICE_ACCOUNT for mount in container.get("volumeMounts", []))


def container_mark(pod: Manifest, container: str) -> str:
    """Return the value of `CONTAINER_MARK`."""
    return f"{pod['metadata']['uid']}/{container}"


def _variables(container: Manifest, sandbox: Sandbox) -> dict[str, str]:
    """Return a container's own variables, each expanded with those before it."""
    found = dict(_from_objects(container, sandbox.sources))
    for variable in container.get("env", []):
        if "valueFrom" in variable:
            value = _value_from(variable["valueFrom"], sandbox)
            if value is not None:
                found[variable["name"]] = value
        else:
            found[variable["name"]] = expand(variable.get("value", ""), found)
    return found


def _from_objects(container: Manifest, sources: Sources) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom", []):
        for kind, key in ((CONFIG_MAP, "configMapRef"), (SECRET, "secretRef")):
            if key not in source:
                continue
            reference = source[key]
            data = sources.find(kind, reference["name"])
            if data is None and not reference.get("optional", False):
                raise ConfigurationError(f'{kind} "{reference["name"]}" not found')
            for name, value in (data or {}).items():
                yield source.get("prefix", "") + name, value.decode(errors="replace")


def _value_from(source: Manifest, sandbox: Sandbox) -> str | None:
    """Return the value of a variable; None: an optional source does not exist."""
    if "fieldRef" in source:
        try:
            return fields.read(sandbox.pod, source["fieldRef"]["fieldPath"])
        except fields.FieldError as error:
            raise ConfigurationError(str(error)) from error
    for kind, key in ((CONFIG_MAP, "configMapKeyRef"), (SECRET, "secretKeyRef")):
        if key in source:
            return _key(kind, source[key], sandbox)
    raise ConfigurationError(f"a virtual node does not support {', '.join(source)} in variables")


def _key(kind: str, reference: Manifest, sandbox: Sandbox) -> str | None:
    data = sandbox.sources.find(kind, reference["name"])
    if data is not None and reference["key"] in data:
        return data[reference["key"]].decode(errors="replace")
    if reference.get("optional", False):
        return None
    if data is None:
        raise ConfigurationError(f'{kind} "{reference["name"]}" not found')
    namespace = sandbox.pod["metadata"]["namespace"]
    raise ConfigurationError(f"couldn't find key {reference['key']} in {kind} {namespace}/{reference['name']}")
