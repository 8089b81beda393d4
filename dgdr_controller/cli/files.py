"""Requests from files and results into files."""

import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from dgdr_api import DynamoGraphDeploymentRequest, parse_request
from dgdr_api.errors import FieldError, InvalidRequestError, located
from dgdr_api.measurements import Measurements
from dgdr_api.names import KIND, MEASUREMENTS
from dgdr_api.results import Results
from dgdr_controller.deployment.base.base_deployment import read_base
from dgdr_controller.manifest import MAX_BYTES, Manifest, ManifestError, load_documents

_MEASUREMENTS = ("ConfigMap", MEASUREMENTS)
_MOST_RESULTS = 64 * 2**20
"""Bytes of results that are read; those of a large mixture of experts have 3 MiB."""


class UnreadableError(Exception):
    """A file that cannot be read or holds no request; the message names the file."""


def read_manifests(source: str) -> list[object]:
    """Return the documents of a file (``-``: standard input) that are or should be requests.

    A file with a Namespace, a Secret and a request is ordinary: documents of another kind are passed over when
    there is a request beside them.

    Raises:
        UnreadableError: The file cannot be read, is no YAML, or is empty.
    """
    documents = read_documents(source, f"a {KIND}")
    requests = [d for d in documents if isinstance(d, Mapping) and d.get("kind") == KIND]
    return list(requests or documents)


def read_documents(source: str, expected: str) -> list[object]:
    """Return the documents of a file (``-``: standard input); at least one.

    Raises:
        UnreadableError: The file cannot be read, is no YAML, or is empty.
    """
    shown = "standard input" if source == "-" else source
    try:
        documents = load_documents(_read(source))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UnreadableError(f"{shown}: {reason}") from None
    except ManifestError as error:
        raise UnreadableError(f"{shown}: not YAML: {error}") from None
    if not documents:
        raise UnreadableError(f"{shown}: holds no document; expected {expected}")
    return documents


def read_base_file(path: Path) -> Manifest:
    """Return the base deployment in a file.

    Raises:
        UnreadableError: The file cannot be read, or is not one deployment.
    """
    try:
        return read_base(_read(str(path)))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UnreadableError(f"{path}: {reason}") from None
    except InvalidRequestError as error:
        raise UnreadableError(f"{path}: {'; '.join(map(str, error.errors))}") from None


def read_measurements(path: Path) -> tuple[Manifest, Measurements]:
    """Return the ConfigMap of measurements in a file, and what is read of it.

    Raises:
        UnreadableError: The file cannot be read, or is not that ConfigMap.
    """
    documents = read_documents(str(path), f"ConfigMap {MEASUREMENTS}")
    manifest, name = documents[0], manifest_name(documents[0])
    if len(documents) != 1 or not isinstance(manifest, dict) or (manifest.get("kind"), name) != _MEASUREMENTS:
        raise UnreadableError(f"{path}: expected ConfigMap {MEASUREMENTS} and nothing else")
    data = {} if manifest.get("data") is None else manifest["data"]
    if not isinstance(data, dict):
        raise UnreadableError(f"{path}: data must be an object")
    return manifest, Measurements.read(data, path.name)


def read_results(path: Path) -> Results:
    """Return the results of a plan in a file.

    Raises:
        UnreadableError: The file cannot be read, or holds no results that this version reads.
    """
    content = read_bounded(path, _MOST_RESULTS)
    try:
        return Results.model_validate_json(content, by_alias=True, by_name=False)
    except ValidationError as error:
        found = located(error.errors(include_url=False, include_input=False)[0])
        raise UnreadableError(f"{path}: no results that this version reads: {found}") from None


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the content of a file.

    Raises:
        UnreadableError: It cannot be read, or is longer than what is expected in it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from None
    if len(content) > limit:
        raise UnreadableError(f"{path}: longer than {limit // 2**20} MiB")
    return content


def _read(source: str) -> str:
    """Read at most a little more than a manifest may have."""
    if source == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1).decode()
    with Path(source).open("rb") as file:
        return file.read(MAX_BYTES + 1).decode()


def read_request(source: str, name: str | None) -> DynamoGraphDeploymentRequest:
    """Return the one request of a file, or the one of this name.

    Raises:
        UnreadableError: The file cannot be read.
        InvalidRequestError: There is no request of that name, or more than one to choose from, or it is malformed.
    """
    manifests = read_manifests(source)
    if name is not None:
        manifests = [manifest for manifest in manifests if manifest_name(manifest) == name]
    if len(manifests) != 1:
        detail = (
            f'holds no request named "{name}"'
            if not manifests
            else f"holds {_names(manifests)}: choose one with --name"
        )
        raise InvalidRequestError([FieldError(source, f"{len(manifests)} requests", detail)])
    return parse_request(manifests[0])


def manifest_name(manifest: object) -> str | None:
    """Return ``metadata.name`` of a decoded manifest, where it has one."""
    metadata = manifest.get("metadata") if isinstance(manifest, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else None


def _names(manifests: list[object]) -> str:
    return ", ".join(manifest_name(manifest) or "(without name)" for manifest in manifests)
