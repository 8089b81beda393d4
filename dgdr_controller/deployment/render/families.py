"""What families of models need beyond the flags that every model gets, so that engines load and serve them.

Rows were read in vLLM 0.31.0 (``vllm/``), SGLang 0.5.21 (``sglang/srt/``), Dynamo 1.6.1 (``dynamo/``), and in the
public sources of TensorRT-LLM near 1.3.0rc29 (``tensorrt_llm/``), whose wheel is on no registry.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dgdr_api.results import ModelFacts
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render.engine import EngineWorker, Flag, decoded_tokens
from dgdr_controller.deployment.render.releases import NEWEST, Release


@dataclass(frozen=True, slots=True)
class Family:
    """Models that engines treat alike.

    Attributes:
        name: What the documentation calls it.
        architectures: What the names of their classes begin with.
        types: Their ``model_type``.
        images: Whether all models that take images are meant.
    """

    name: str
    architectures: tuple[str, ...] = ()
    types: frozenset[str] = frozenset()
    images: bool = False

    def includes(self, model: ModelFacts) -> bool:
        """Say whether a model belongs to it."""
        named = bool(self.architectures) and model.architecture.startswith(self.architectures)
        return named or model.model_type in self.types or (self.images and model.takes_images)


def _types(text: str) -> frozenset[str]:
    return frozenset(text.split())


ANY = Family("experts over several nodes", ("",))
KIMI = Family("Kimi", types=_types("kimi_k2 kimi_k25 kimi_k3 kimi_linear kimi_vl"))
OWN_CODE = Family(
    "code of their own",
    types=KIMI.types
    | _types("""
        nemotron-nas mimo mimo_v2 mimo_v2_flash step3p7 internlm2 internlm3 internvl_chat minicpm minicpm3 minicpmv
        minicpmo phi3_v phi3small phi4mm ernie4_5_moe_vl baichuan orion xverse qwen telechat solar molmo ovis2_5 plamo3
        sarvam_moe bailing_moe bailing_moe_v2 grok-1
    """),
)
"""Their config, tokenizer or image processor is in no registry of the engines and not in Transformers."""
_KNOWN_CODE = Family(
    "known to Transformers",
    types=_types("""
        bloom deepseek_v2 deepseek_v3 exaone4 falcon gemma2 gemma3 glm4 glm4_moe glm_moe_dsa gpt_neox gpt_oss jamba
        llama llama4 mamba mamba2 minimax_m2 minimax_m3 minimax_m3_vl mistral mixtral mpt nemotron_h olmo2 phi phi3
        qwen2 qwen2_moe qwen3 qwen3_moe qwen3_next stablelm starcoder2
    """),
)
"""Their configs name code although Transformers has its own; told to trust it, it would prefer theirs."""

HYBRID = Family(
    "hybrids of attention and state spaces",
    (
        *("NemotronH", "Qwen3Next", "Qwen3_5", "Qwen4Exp", "KimiLinear", "KimiK3", "Glm5Next", "Jamba", "Zamba2"),
        *("FalconH1", "GraniteMoeHybrid", "OlmoHybrid", "BailingMoeV3", "MiniCPMV4_6"),
    ),
)
KIMI_LINEAR = Family("Kimi-Linear", ("KimiLinear",))
SHORT_STATES = Family("short convolutions and linear attention", ("Lfm2", "BailingMoeV2_5"))
_UNBUFFERED_MAMBA = Family(
    "states without a buffer",
    (
        *("Lfm2ForCausalLM", "Lfm2MoeForCausalLM", "ZayaForCausalLM", "JetNemotronForCausalLM", "InternS2Mobius"),
        *("JetVLMForConditionalGeneration", "GigaChat35ForCausalLM"),
    ),
)
MINICPM_SPARSE = Family("MiniCPM with sparse attention", ("MiniCPMSALA",))
WINDOWS = Family(
    "windows of attention with a pool of their own",
    (
        *("Llama4For", "GptOssFor", "GraniteSWAFor", "GraniteMoeSWAFor", "IQuestQ1For", "MiMoV2F", "Step3p5For"),
        *("Step3p7For", "Gemma4", "DiffusionGemma", "LagunaFor", "MellumFor", "MuseGlimmerFor", "Inkling"),
        "UnlimitedOCRFor",
    ),
)
"""``configs/model_config.py`` of SGLang, ``is_hybrid_swa_model``; DeepSeek-V4's latent attention is exempt."""
QWEN4 = Family("Qwen4", ("Qwen4Exp",))
MOBIUS = Family("Intern-S2 Mobius", ("InternS2Mobius",))
MINIMAX_M3 = Family("MiniMax-M3", ("MiniMaxM3",))
INKLING = Family("Inkling", ("Inkling",))
GEMMA4 = Family("Gemma 4", ("Gemma4",))
_DEEPSEEK_V4 = Family("DeepSeek-V4", ("DeepseekV4",))
_SPARSE_MLA = Family("DeepSeek-V3.2, GLM-5", ("DeepseekV32", "GlmMoeDsa"))
_IMAGES = Family("models that take images", images=True)
_QWEN_IMAGES = Family("Qwen-VL", ("Qwen2VL", "Qwen2_5_VL", "Qwen3VL", "Qwen3_5"))
_TEXT_BY_DEFAULT = Family("Gemma 3, Llama 4, Step3-VL, Inkling", ("Gemma3For", "Llama4For", "Step3VL", "Inkling"))


def needs_own_code(model: ModelFacts) -> bool:
    """Say whether engines load a model only if they may run code of its repository."""
    named = model.own_code and not _KNOWN_CODE.includes(model)
    return OWN_CODE.includes(model) or model.own_tokenizer or named


@dataclass(frozen=True, slots=True)
class Need:
    """What one engine needs for a family.

    Attributes:
        family: The family.
        backend: The engine.
        source: Where that was read, and what happens without.
        add: Flags that are written.
        drop: Flags of every model that are not.
        env: Variables of the workers.
        when: For which workers.
        before: The release of Dynamo whose engine was the first without this need; None: there is none.
    """

    family: Family
    backend: Backend
    source: str
    add: tuple[Flag, ...] = ()
    drop: tuple[str, ...] = ()
    env: tuple[Flag, ...] = ()
    when: Callable[[EngineWorker], bool] = lambda _: True
    before: tuple[int, int] | None = None

    def applies(self, worker: EngineWorker, release: Release) -> bool:
        """Say whether a worker of a release needs it."""
        affected = release.is_before(self.before)
        return affected and worker.backend is self.backend and self.family.includes(worker.facts) and self.when(worker)


def _is(name: str, value: object) -> Flag:
    return Flag(name, lambda _: value)


_VLLM, _SGLANG, _TRTLLM = Backend.VLLM, Backend.SGLANG, Backend.TRTLLM
_IMAGE_SWITCH = Flag("--enable-multimodal")
_DISPATCHED = 128
"""SGLang's default."""
MOST_DISPATCHED = 1024
"""What DeepEP's buffers allow."""
EXCHANGED = (None, "fp8", "w4afp8")
"""Weights whose experts SGLang runs behind DeepEP in prefill as in decode workers; None: not known.

sglang/srt/layers/moe/ep_moe/layer.py: NotImplementedError or a failed assertion with others. ModelOpt's FP4 has a
runner for decode alone.
"""


NEEDS: tuple[Need, ...] = (
    Need(
        ANY, _SGLANG,
        "sglang/srt/layers/moe/token_dispatcher/deepep.py: estimates of experts over several nodes are for this "
        "exchange, which takes as many tokens of a rank as the variable says",
        add=(_is("--moe-a2a-backend", "deepep"),),
        env=(
            Flag(
                "SGLANG_DEEPEP_NUM_MAX_DISPATCH_TOKENS_PER_RANK",
                lambda w: max(_DISPATCHED, decoded_tokens(w.batch, w.draft_tokens)),
                when=lambda w: w.decodes,
            ),
        ),
        when=lambda w: w.experts_span,
    ),
    Need(
        HYBRID, _VLLM, "vllm/distributed/kv_transfer/kv_connector/v1/nixl/base_worker.py: asserted at the start",
        env=(_is("VLLM_SSM_CONV_STATE_LAYOUT", "DS"),), when=lambda w: w.disaggregated,
    ),
    Need(
        HYBRID, _VLLM, "vllm 0.19.0, config/vllm.py: events turn its cache manager of hybrids off; ValueError without",
        drop=("--kv-events-config",), before=(1, 2),
    ),
    Need(_IMAGES, _VLLM, "dynamo/vllm/backend_args.py: else requests with images are refused", add=(_IMAGE_SWITCH,)),
    Need(
        _QWEN_IMAGES, _VLLM, "vllm/config/multimodal.py: decode takes what prefill made of an image",
        add=(Flag("--enable-mm-embeds"),), when=lambda w: w.disaggregated and w.facts.takes_images,
    ),
    Need(
        _UNBUFFERED_MAMBA, _SGLANG, "sglang/srt/arg_groups/mamba_hook.py: pages of 1 token, asserted",
        drop=("--page-size",),  # on decode as well: pages are handed over as they are
    ),
    Need(
        HYBRID, _SGLANG, "sglang 0.5.10, srt/mem_cache/mamba_radix_cache.py: pages of 1 token, asserted",
        drop=("--page-size",), before=(1, 2),
    ),
    Need(
        KIMI_LINEAR, _SGLANG, "sglang 0.5.14, srt/server_args.py: pages of 1 token, asserted",
        drop=("--page-size",), before=(1, 4),
    ),
    Need(
        MINICPM_SPARSE, _SGLANG, "sglang/srt/layers/attention/minicpm/cache.py: pages of its own",
        drop=("--page-size",),
    ),
    Need(
        MINIMAX_M3, _SGLANG,
        "sglang/srt/arg_groups/model_overrides/minimax_m3.py: pages of 128 tokens unless others are written, which "
        "turns its sparse attention off",
        drop=("--page-size",),
    ),
    *(
        Need(
            family, _SGLANG,
            "sglang/srt/model_executor/runner/prefill_cuda_graph_runner.py: asserted for mixed chunks",
            add=(_is("--cuda-graph-backend-prefill", "breakable"),), when=lambda w: not w.disaggregated,
        )
        for family in (MINIMAX_M3, INKLING)
    ),
    Need(
        _TEXT_BY_DEFAULT, _SGLANG, "sglang/srt/configs/model_config.py: these serve text only by default",
        add=(_IMAGE_SWITCH,), when=lambda w: w.facts.takes_images,
    ),
    Need(
        _DEEPSEEK_V4, _TRTLLM, "tensorrt_llm, sparse/deepseek_v4/cache_manager.py: 128 to 256 tokens a block, asserted",
        add=(_is("--trtllm.kv_cache_config.tokens_per_block", 128), _is("--kv-block-size", 128)),
    ),
    Need(
        _SPARSE_MLA, _TRTLLM, "tensorrt_llm, pull request 9141: blocks of 64 tokens",
        add=(_is("--trtllm.kv_cache_config.tokens_per_block", 64), _is("--kv-block-size", 64)),
    ),
    Need(
        MINIMAX_M3, _TRTLLM, "Dynamo's recipe: dense attention without",
        add=(
            _is("--trtllm.sparse_attention_config.algorithm", "minimax_m3"),
            _is("--trtllm.kv_cache_config.enable_block_reuse", "false"),
        ),
    ),
    Need(
        HYBRID, _TRTLLM, "tensorrt_llm, pull request 14060: only this transceiver hands states over",
        add=(
            _is("--trtllm.cache_transceiver_config.backend", "NIXL"),
            _is("--trtllm.cache_transceiver_config.transceiver_runtime", "PYTHON"),
        ),
        drop=("--trtllm.cache_transceiver_config.backend",), when=lambda w: w.disaggregated,
    ),
    Need(_IMAGES, _TRTLLM, "dynamo/trtllm/backend_args.py: else images are not read", add=(_IMAGE_SWITCH,)),
)  # fmt: skip


def needs_of(worker: EngineWorker, release: Release = NEWEST) -> Iterator[Need]:
    """Yield what a worker needs for its model, where the engine of a release runs."""
    return (need for need in NEEDS if need.applies(worker, release))
