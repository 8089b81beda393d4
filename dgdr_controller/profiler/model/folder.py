"""Models on a disk: a model cache (a mounted claim, or a folder that stands for it), and one model's folder in it."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dgdr_controller.profiler.model.config import ConfigError

CONFIG_FILES = ("config.json", "hf_quant_config.json")
"""What is read of a model: the second one is how ModelOpt says how weights are quantised."""
_LONGEST_CONFIG = 4 * 2**20
_WEIGHTS = (".safetensors", ".bin", ".pth", ".gguf")
"""Formats of weights; of a model that has several the first is loaded."""
_OTHERS_COPIES = re.compile(r"(^|/)(original|onnx|openvino|metal|consolidated)[./-]", re.IGNORECASE)
"""The same weights once more, for other programs."""
_ENTRIES = 8


def find(root: Path, model: str) -> Path | None:
    """Return the folder of a model in a cache that does not say where: in the hub's layout, or by its name."""
    repository = f"models--{model.replace('/', '--')}"
    snapshots = (folder for cache in (root, root / "hub") for folder in _snapshots(cache / repository))
    named = (root / model, root / model.rpartition("/")[2], root)
    return next((folder for folder in (*snapshots, *named) if (folder / "config.json").is_file()), None)


def _snapshots(repository: Path) -> Iterator[Path]:
    """Yield the snapshots of a repository in the hub's cache: that of its main branch first."""
    main = repository / "refs" / "main"
    if main.is_file():
        yield repository / "snapshots" / main.read_text()[:200].strip()
    if (repository / "snapshots").is_dir():
        yield from sorted((repository / "snapshots").iterdir(), reverse=True)


def read_content(folder: Path) -> dict[str, Any]:
    """Read what a model's folder says of it; how ModelOpt quantised it is put where others say it.

    Raises:
        ConfigError: There is no config, or none that can be read.
    """
    content = _json(folder / "config.json")
    quantised = folder / "hf_quant_config.json"
    if "quantization_config" not in content and quantised.is_file():
        content["quantization_config"] = _json(quantised).get("quantization") or {}
    return content


def _json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_CONFIG + 1)
        if len(text) > _LONGEST_CONFIG:
            raise ConfigError(f"{path.name} is longer than {_LONGEST_CONFIG} bytes")
        content = json.loads(text)
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path.name} is not an object")
    return content


def weight_bytes(folder: Path) -> int | None:
    """Return the bytes of the weights in a folder; None where there are none.

    Raises:
        ConfigError: They cannot be looked at.
    """
    try:  # of a link what it leads to: caches link to their blobs
        return weights_among({path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()})
    except OSError as error:
        raise ConfigError(f"its files cannot be read: {error.strerror}") from error


def weights_among(sizes: Mapping[str, int]) -> int | None:
    """Return the bytes of the weights among files: those of one format, without copies for other programs."""
    for ending in _WEIGHTS:
        found = [s for name, s in sizes.items() if name.endswith(ending) and not _OTHERS_COPIES.search(name)]
        if found:
            return sum(found)
    return None


def entries(folder: Path) -> str:
    """Name what is in a folder, for a person who looks for something else there."""
    try:
        names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    except OSError as error:
        return error.strerror or "unreadable"
    if not names:
        return "nothing"
    return ", ".join(names[:_ENTRIES]) + (" …" if len(names) > _ENTRIES else "")
