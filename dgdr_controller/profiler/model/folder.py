"""Models on a disk: a model cache (a mounted claim, or a folder that stands for it), and one model's folder in it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgdr_controller.profiler.model.config import ConfigError

CONFIG_FILES = ("config.json", "hf_quant_config.json")
"""What is read of a model: the second one is how ModelOpt says how weights are quantised."""
_NAMING_CODE = ("config.json", "tokenizer_config.json")
"""Where classes of a model's own code are named, under ``auto_map``."""
_ELSEWHERE = "--"
"""Between the repository that has a class and the class."""
_LONGEST_CONFIG = 4 * 2**20
_WEIGHTS = (".safetensors", ".bin", ".pth", ".gguf")
"""Formats of weights; of a model that has several the first is loaded."""
_ANY_WEIGHTS = (*_WEIGHTS, ".pt", ".npz", ".tensors")
"""What may be weights for some engine."""
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
"""Where a model in several files names them all."""
_REVISION = re.compile(r"[A-Za-z0-9]+")
_NO_WEIGHTS = re.compile(r"training_args|optimizer|scheduler|rng_state|adapter_model|random_states", re.IGNORECASE)
"""Files of training, and parts that are no model by themselves."""
_POINTER, _POINTED = b"version https://git-lfs", 1024
"""How a file begins, and how large it is at most, that stands for one that git-lfs has not fetched."""
_OTHERS_COPIES = re.compile(r"(^|/)(original|onnx|openvino|metal|consolidated)[./-]", re.IGNORECASE)
"""The same weights once more, for other programs."""
_ENTRIES = 8
_DEPTH, _FOLDERS = 3, 2000
"""How deep, and among how many folders, a model is looked for by its name."""


def find(root: Path, model: str) -> Path | None:
    """Return the folder of a model in a cache that does not say where; None where nobody finds it.

    The hub's library keeps it in ``models--ORG--NAME`` below the root or below ``hub``; people name a folder after it,
    at any place that is not too deep, or have nothing else in the cache.
    """
    repository = f"models--{model.replace('/', '--')}"
    snapshots = (folder for cache in (root, root / "hub") for folder in snapshots_of(cache / repository))
    named = (root / model, root / model.rpartition("/")[2], root)
    found = [folder for folder in (*snapshots, *named) if is_model(folder)]
    found = found or [folder for folder in _nested(root, model, repository) if is_model(folder)]
    whole = (folder for folder in found if not missing_weights(folder))
    return next(whole, next(iter(found), None))


def is_model(folder: Path) -> bool:
    """Say whether a folder is that of a model."""
    return (folder / "config.json").is_file()


def _nested(root: Path, model: str, repository: str) -> Iterator[Path]:
    """Yield folders that have the name of a model, the highest first."""
    names = {model.lower(), model.rpartition("/")[2].lower()}
    level, looked = [root], 0
    for _ in range(_DEPTH):
        below = [entry for folder in level for entry in _folders(folder)]
        for folder in below:
            if folder.name == repository:
                yield from snapshots_of(folder)
            elif names & {folder.name.lower(), f"{folder.parent.name}/{folder.name}".lower()}:
                yield folder
        looked += len(below)
        if looked > _FOLDERS:
            return
        level = below


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError:  # somebody else's
        return []


def snapshots_of(repository: Path) -> Iterator[Path]:
    """Yield the snapshots of a repository in the hub's cache: that of its main branch first."""
    main = repository / "refs" / "main"
    if main.is_file() and _REVISION.fullmatch(name := main.read_bytes()[:200].decode("ascii", "replace").strip()):
        yield repository / "snapshots" / name
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


@dataclass(frozen=True, slots=True)
class OwnCode:
    """Code that a model's folder names (``auto_map``).

    Attributes:
        config: Whether its config names some that can be had.
        tokenizer: Whether its tokenizer is of a class of such code, which Transformers does not have.
        missing: Files that are named and not there.
        elsewhere: Repositories of the hub that have some of it.
    """

    config: bool
    tokenizer: bool
    missing: tuple[str, ...]
    elsewhere: tuple[str, ...]


def own_code(folder: Path) -> OwnCode:
    """Look for the code that a model's folder names.

    Raises:
        ConfigError: A file that names it cannot be read.
    """
    config, tokenizer = (_json(path) if (path := folder / name).is_file() else {} for name in _NAMING_CODE)
    of_config, of_tokenizer = _classes(config), _classes(tokenizer)
    named = of_config | of_tokenizer
    modules = {text.rpartition(".")[0] for text in named if _ELSEWHERE not in text}
    missing = {f"{module}.py" for module in modules if module and not (folder / f"{module}.py").is_file()}
    elsewhere = {text.partition(_ELSEWHERE)[0] for text in named if _ELSEWHERE in text}
    is_there = any(folder.glob("*.py"))
    return OwnCode(
        config=bool(of_config) and (is_there or any(_ELSEWHERE in text for text in of_config)),
        tokenizer=tokenizer.get("tokenizer_class") in {text.rpartition(".")[2] for text in of_tokenizer},
        missing=tuple(sorted(missing)),
        elsewhere=tuple(sorted(elsewhere)),
    )


def _classes(content: Mapping[str, Any]) -> set[str]:
    """Return the classes that a file names: ``module.Class``, or ``ORG/NAME--module.Class``."""
    entry = content.get("auto_map")
    return {text for value in entry.values() for text in _texts(value)} if isinstance(entry, dict) else set()


def _texts(value: object) -> list[str]:
    """Return the names of one entry: a class, or several of which some may be missing."""
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def missing_weights(folder: Path) -> str:
    """Say what a model's folder lacks of its weights: all of them, or files that its index names; empty: nothing.

    Raises:
        ConfigError: The folder or its index cannot be read.
    """
    try:
        files = [path for path in folder.iterdir() if path.is_file()]
        index = next((folder / name for name in _INDEXES if (folder / name).is_file()), None)
        wanted = _indexed(index) if index else []
        lacking = [name for name in wanted if not _is_there(folder / name)]
    except OSError as error:
        raise ConfigError(f"its files cannot be read: {error.strerror}") from error
    if lacking:
        return f"{len(lacking)} of {len(wanted)} files with weights are missing, {lacking[0]} among them"
    weights = (path for path in files if path.name.endswith(_ANY_WEIGHTS) and not _NO_WEIGHTS.search(path.name))
    return "" if wanted or any(map(_is_there, weights)) else "it has no files with weights"


def _indexed(index: Path) -> list[str]:
    """Return the files that an index names."""
    names = _json(index).get("weight_map")
    return sorted({str(name) for name in names.values()}) if isinstance(names, dict) else []


def _is_there(path: Path) -> bool:
    """Say whether a file is there, and not only what git-lfs leaves in its place."""
    if not path.is_file():
        return False
    if path.stat().st_size > _POINTED:
        return True
    with path.open("rb") as file:
        return not file.read(len(_POINTER)).startswith(_POINTER)


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
