"""Which model a request means: in its model cache, among those that the simulator knows, or on the hub."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from dgdr_api.results import ModelFacts
from dgdr_controller.deployment.render.families import needs_own_code
from dgdr_controller.profiler.errors import InterruptedRunError, RequestRefusedError
from dgdr_controller.profiler.model import folder as folders
from dgdr_controller.profiler.model import hub
from dgdr_controller.profiler.model.architectures import as_in_checkpoints
from dgdr_controller.profiler.model.cache import MountedCache
from dgdr_controller.profiler.model.config import ConfigError, ModelConfig, read_config
from dgdr_controller.profiler.simulation.messages import Survey


@dataclass(frozen=True, slots=True)
class Model:
    """A model that was found.

    Attributes:
        name: What the request calls it.
        loaded_as: What engines load: its id, or its path on the mount of the model cache.
        simulated_as: What the simulator loads: an id of its own, or a folder; None: it cannot simulate it.
        config: What its config says.
        weights: Bytes of the files of its weights; None: nobody has seen them.
        notes: What a reader of the results should know of how it was found.
        in_cache: Whether the model cache holds it; None: there is none, or nobody has looked.
        warnings: What the user should mend.
        own_tokenizer: Whether its tokenizer is code of its own; nobody has looked where there is no model cache.
    """

    name: str
    loaded_as: str
    simulated_as: str | None
    config: ModelConfig
    weights: int | None = None
    notes: tuple[str, ...] = ()
    in_cache: bool | None = None
    warnings: tuple[str, ...] = ()
    own_tokenizer: bool = False

    @property
    def facts(self) -> ModelFacts:
        """What decides how engines are started."""
        config, vision = self.config, self.config.vision
        return ModelFacts(
            architecture=as_in_checkpoints(config.architecture),
            model_type=config.model_type,
            # The simulator's copies of some configs leave the encoder out.
            takes_images=vision is not None or config.architecture == "Llama4ForConditionalGeneration",
            vision_layers=vision.layers if vision else 0,
            vision_hidden=vision.hidden if vision else 0,
            own_code=config.own_code,
            own_tokenizer=self.own_tokenizer,
            quantization=config.quantization,
            in_cache=self.in_cache,
        )


Look = Callable[[Path | None], Survey]
"""Asks the simulator about the model: the one in a folder, or the one of the request's name."""
Download = Callable[[str, Path], int | None]


def find_model(
    name: str, cache: MountedCache | None, look: Look, scratch: Path, download: Download = hub.download
) -> tuple[Model, Survey]:
    """Find a model; return it with what the simulator knows.

    Args:
        name: What the request calls it.
        cache: Its model cache, if it has one that can be looked into.
        look: Asks the simulator.
        scratch: An empty folder, for what the hub says; it is needed as long as the model is simulated.
        download: Asks the hub.

    Raises:
        RequestRefusedError: There is no such model, or what is there is none.
        InterruptedRunError: The hub would have to be asked and cannot.
    """
    if cache is None or cache.root is None:
        model, known = _without_cache(name, look, scratch, download)
        if cache is not None and cache.cache.model_path is not None:
            model = replace(model, loaded_as=cache.mounted(PurePosixPath(cache.cache.model_path)))
        return model, known
    found = _in_cache(name, cache, cache.root)
    if found is not None and not found.is_relative_to(cache.root):  # an absolute name
        found = None
    if found is not None:
        return _of_cache(name, cache, cache.root, found, look)
    absent = f"claim {cache.cache.pvc_name} does not hold {name}; its root has: {folders.entries(cache.root)}"
    try:
        model, known = _without_cache(name, look, scratch, download)
    except RequestRefusedError as error:
        reason = str(error).replace(hub.WITHOUT_CACHE, "")
        raise RequestRefusedError(f"{reason}; spec.modelCache: {absent}") from None
    way_out = "put it there, or set spec.modelCache.pvcModelPath to where it is"
    warning = f"spec.modelCache: {absent}. Engines download it from the Hugging Face hub; {way_out}"
    return replace(model, in_cache=False, warnings=(warning,)), known


def _of_cache(name: str, cache: MountedCache, root: Path, found: Path, look: Look) -> tuple[Model, Survey]:
    """Return the model of a folder of the cache.

    Raises:
        RequestRefusedError: It is not all there.
    """
    location = cache.mounted(found.relative_to(root))
    where = f"{location} of model cache {cache.cache.pvc_name}"
    known = look(found)
    model = _of_folder(name, location, found, known, partial(folders.weight_bytes, found), where)
    try:
        lacking, code = folders.missing_weights(found), folders.own_code(found)
    except ConfigError as error:
        raise RequestRefusedError(f"spec.model: '{name}' from {where}: {error}; engines could not load it") from error
    if lacking:
        raise RequestRefusedError(f"spec.model: '{name}' from {where}: {lacking}; engines could not load it")
    named = replace(model, own_tokenizer=code.tokenizer)
    warnings = tuple(_about_code(f"'{name}' from {where}", code)) if needs_own_code(named.facts) else ()
    config = replace(model.config, own_code=code.config)
    return replace(named, config=config, in_cache=True, warnings=warnings), known


def _about_code(model: str, code: folders.OwnCode) -> Iterator[str]:
    if code.missing:
        yield (
            f"spec.model: {model} names code in {', '.join(code.missing)}, which is not there; copy the Python files "
            "of its repository as well, or engines may not load it"
        )
    if code.elsewhere:
        yield (
            f"spec.model: {model} names code of {', '.join(code.elsewhere)} on the Hugging Face hub; engines that load "
            "a model cache do not ask the hub. Copy the Python files into the model's folder, and correct auto_map"
        )


def _without_cache(name: str, look: Look, scratch: Path, download: Download) -> tuple[Model, Survey]:
    """Find a model by its name alone."""
    known = look(None)
    if known.simulated_as is not None and known.content is not None:
        spelled = known.simulated_as if known.simulated_as.lower() == name.lower() else name
        notes = (
            () if spelled == known.simulated_as else (f"Simulated as {known.simulated_as}, which has the same shape.",)
        )
        return Model(name, spelled, known.simulated_as, read_config(known.content), None, notes), known
    try:
        weights = download(name, scratch)
    except (RequestRefusedError, InterruptedRunError) as error:
        hint = f"; did you mean {' or '.join(known.similar)}?" if known.similar else ""
        raise type(error)(f"spec.model: {error}{hint}") from None
    known = look(scratch)
    return _of_folder(name, name, scratch, known, lambda: weights, "the Hugging Face hub"), known


def _of_folder(
    name: str, loaded_as: str, folder: Path, known: Survey, weigh: Callable[[], int | None], where: str
) -> Model:
    try:
        config, weights = read_config(folders.read_content(folder)), weigh()
    except ConfigError as error:
        raise RequestRefusedError(f"spec.model: '{name}' from {where}: {error}") from error
    return Model(name, loaded_as, known.simulated_as, config, weights, (f"Model config from {where}.",))


def _at(folder: Path, name: str) -> Path | None:
    """Return the model that a path means: what is there, a snapshot of a repository, or what a cache there holds."""
    candidates = (folder, *folders.snapshots_of(folder))
    return next(filter(folders.is_model, candidates), None) or folders.find(folder, name)


def _in_cache(name: str, cache: MountedCache, root: Path) -> Path | None:
    """Return the model's folder; None where the cache does not say where and does not hold it either.

    Raises:
        RequestRefusedError: There is nothing where the request says that it is, or it cannot be read.
    """
    wanted_path = cache.cache.model_path
    try:
        if wanted_path is None:
            return folders.find(root, name)
        path = PurePosixPath(wanted_path)
        inside = path.relative_to(cache.cache.mount_path) if path.is_absolute() else path
        if ".." not in inside.parts and (found := _at(root / inside, name)):
            return found
    except ConfigError as error:
        raise RequestRefusedError(f"spec.modelCache: claim {cache.cache.pvc_name}: {error}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it is not under {cache.cache.mount_path}"
        where = (
            f"spec.modelCache.pvcModelPath: '{wanted_path}'"
            if wanted_path
            else f"spec.modelCache: claim {cache.cache.pvc_name}"
        )
        raise RequestRefusedError(f"{where} cannot be looked at: {reason}") from None
    raise RequestRefusedError(
        f"spec.modelCache.pvcModelPath: there is no config.json under '{wanted_path}' of claim {cache.cache.pvc_name}; "
        f"its root has: {folders.entries(root)}"
    )
