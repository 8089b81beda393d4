"""A cache of the Hugging Face hub with nothing but the configs of models: engines read these before any weights."""

import importlib.util
import shutil
from collections.abc import Mapping
from pathlib import Path

_REVISION = "0" * 40


def configs() -> dict[str, dict[str, Path]]:
    """Return the published config files of the models that the simulator knows, by model and file name."""
    spec = importlib.util.find_spec("aiconfigurator_core")
    found: dict[str, dict[str, Path]] = {}
    for root in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(root, "model_configs").glob("*.json")):
            name, _, rest = path.name.partition("_hf_quant_config.json")
            file = "hf_quant_config.json"
            if rest or name == path.name:
                name, file = path.name.removesuffix("_config.json"), "config.json"
            found.setdefault(name.replace("--", "/", 1), {})[file] = path
    return found


def write(folder: Path, models: Mapping[str, Mapping[str, Path]]) -> None:
    """Write the cache, for a process that is offline and has the folder as ``HF_HUB_CACHE``."""
    for name, files in models.items():
        model = folder / f"models--{name.replace('/', '--')}"
        snapshot = model / "snapshots" / _REVISION
        snapshot.mkdir(parents=True)
        (model / "refs").mkdir()
        (model / "refs" / "main").write_text(_REVISION, encoding="utf-8")
        for file, path in files.items():
            shutil.copyfile(path, snapshot / file)
