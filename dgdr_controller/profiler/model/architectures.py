"""Which architectures of Hugging Face each engine loads, at the versions that Dynamo 1.6.1 pins.

An architecture is the first name under ``architectures`` in a model's ``config.json``. Listed are those that generate
text, from text or more; embedding, reward and classification models, encoders alone and drafts are not, nor the wrapper
classes that engines choose for themselves: no config names them.

vLLM 0.31.0 and SGLang 0.5.21 also run, through the code of Transformers, models that they do not list, if that code
allows it. Only the code tells, not the name, so :func:`loads` goes by the names alone: False means "not known to".

Older releases of Dynamo pin older engines: what they do not load yet, and what they still load, is said at the end.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render.releases import NEWEST, RELEASES, Release


def _names(text: str) -> frozenset[str]:
    """Split a block of names: one name a line would take three times as many."""
    return frozenset(text.split())


# vllm/model_executor/models/registry.py in the wheel of 0.31.0: its tables of text generation and of multimodal models,
# and the table of names that it leaves to Transformers on purpose.
_VLLM = _names("""
    AXK1ForCausalLM AfmoeForCausalLM ApertusForCausalLM ArceeForCausalLM AriaForConditionalGeneration
    AudioFlamingo3ForConditionalGeneration BagelForConditionalGeneration BailingMoeForCausalLM BailingMoeV2ForCausalLM
    BailingMoeV2_5ForCausalLM BailingMoeV3ForCausalLM BailingMoeV3VLForConditionalGeneration BeeForConditionalGeneration
    Blip2ForConditionalGeneration BloomForCausalLM ChatGLMForConditionalGeneration ChatGLMModel Cohere2ForCausalLM
    Cohere2MoeForCausalLM Cohere2VisionForConditionalGeneration CohereAsrForConditionalGeneration
    CohereCompassForConditionalGeneration CohereForCausalLM Cosmos3EdgeForConditionalGeneration
    Cosmos3ForConditionalGeneration CwmForCausalLM DbrxForCausalLM DeciLMForCausalLM DeepseekForCausalLM
    DeepseekOCR2ForCausalLM DeepseekOCRForCausalLM DeepseekV2ForCausalLM DeepseekV32ForCausalLM DeepseekV3ForCausalLM
    DeepseekV41ForCausalLM DeepseekV4ForCausalLM DeepseekV4ForConditionalGeneration DeepseekVLV2ForCausalLM
    DiffusionGemmaForBlockDiffusion Dots3NoteForCausalLM DotsOCRForCausalLM Eagle2_5_VLForConditionalGeneration
    Emu3ForConditionalGeneration Ernie4_5ForCausalLM Ernie4_5_MoeForCausalLM Ernie4_5_VLMoeForConditionalGeneration
    Exaone4ForCausalLM Exaone4_5_ForConditionalGeneration ExaoneForCausalLM ExaoneMoeForCausalLM FalconForCausalLM
    FalconH1ForCausalLM FalconMambaForCausalLM FireRedASR2ForConditionalGeneration FlexOlmoForCausalLM
    FunASRForConditionalGeneration FunAudioChatForConditionalGeneration GLM4VForCausalLM GPT2LMHeadModel
    GPTBigCodeForCausalLM GPTJForCausalLM GPTNeoXForCausalLM Gemma2ForCausalLM Gemma3ForCausalLM
    Gemma3ForConditionalGeneration Gemma3nForCausalLM Gemma3nForConditionalGeneration Gemma4ForCausalLM
    Gemma4ForConditionalGeneration Gemma4UnifiedForConditionalGeneration GemmaForCausalLM Glm4ForCausalLM
    Glm4MoeForCausalLM Glm4MoeLiteForCausalLM Glm4vForConditionalGeneration Glm4vMoeForConditionalGeneration
    Glm5NextForCausalLM Glm5NextForConditionalGeneration GlmAsrForConditionalGeneration GlmForCausalLM
    GlmMoeDsaForCausalLM GlmOcrForConditionalGeneration GptOssForCausalLM Granite4VisionForConditionalGeneration
    GraniteForCausalLM GraniteMoeForCausalLM GraniteMoeHybridForCausalLM GraniteMoeSWAForCausalLM
    GraniteMoeSharedForCausalLM GraniteSWAForCausalLM GraniteSpeechForConditionalGeneration
    GraniteSpeechPlusForConditionalGeneration H2OVLChatModel HCXVisionV2ForCausalLM HYV3ForCausalLM HYV4ForCausalLM
    HfMoondream HrmTextForCausalLM HunYuanDenseV1ForCausalLM HunYuanMoEV1ForCausalLM HunYuanVLForConditionalGeneration
    HyperCLOVAXForCausalLM IQuestCoderForCausalLM IQuestLoopCoderForCausalLM Idefics3ForConditionalGeneration
    InklingForCausalLM InklingForConditionalGeneration InternLM2ForCausalLM InternLM3ForCausalLM
    InternS1ForConditionalGeneration InternS1ProForConditionalGeneration InternS2MobiusForConditionalGeneration
    InternS2PreviewForConditionalGeneration InternVLChatModel InternVLForConditionalGeneration
    IsaacForConditionalGeneration Jais2ForCausalLM JambaForCausalLM K2HorizonForCausalLM KananaVForConditionalGeneration
    KeyeForConditionalGeneration KeyeVL1_5ForConditionalGeneration KimiK25ForConditionalGeneration
    KimiK3ForConditionalGeneration KimiLinearForCausalLM KimiVLForConditionalGeneration LLaMAForCausalLM
    LagunaForCausalLM Lfm2ForCausalLM Lfm2MoeForCausalLM Lfm2VlForConditionalGeneration
    LightOnOCRForConditionalGeneration Llama4ForCausalLM Llama4ForConditionalGeneration LlamaForCausalLM
    Llama_Nemotron_Nano_VL LlavaForConditionalGeneration LlavaNextForConditionalGeneration
    LlavaNextVideoForConditionalGeneration LlavaOnevision2ForConditionalGeneration
    LlavaOnevisionForConditionalGeneration LongcatFlashForCausalLM LongcatFlashNgramForCausalLM Mamba2ForCausalLM
    MambaForCausalLM MellumForCausalLM MiDashengLMModel MiMoForCausalLM MiMoV2FlashForCausalLM MiMoV2ForCausalLM
    MiMoV2OmniForCausalLM MiniCPM3ForCausalLM MiniCPMForCausalLM MiniCPMO MiniCPMV MiniCPMV4_6ForConditionalGeneration
    MiniMaxM2ForCausalLM MiniMaxM3SparseForCausalLM MiniMaxM3SparseForConditionalGeneration Ministral3ForCausalLM
    Mistral3ForConditionalGeneration MistralForCausalLM MistralLarge3ForCausalLM MixtralForCausalLM
    Molmo2ForConditionalGeneration MolmoForCausalLM Moondream3ForCausalLM MoonshotKimiaForCausalLM MossAudioModel
    MossTranscribeDiarizeForConditionalGeneration MuseGlimmerForCausalLM MuseGlimmerForConditionalGeneration NVLM_D
    NanbeigeForCausalLM NemotronForCausalLM NemotronHForCausalLM NemotronHPuzzleForCausalLM
    NemotronH_Nano_Omni_Reasoning_V3 NemotronH_Nano_VL_V2 NemotronH_Omni_Reasoning_V3 NemotronH_Super_Omni_Reasoning_V3
    NemotronParseForConditionalGeneration OPTForCausalLM Olmo2ForCausalLM Olmo3ForCausalLM OlmoForCausalLM
    OlmoHybridForCausalLM OlmoeForCausalLM OpenCUAForConditionalGeneration OpenPanguVLForConditionalGeneration
    OpenVLAForActionPrediction OrionForCausalLM Ovis Ovis2_5 Ovis2_6ForCausalLM Ovis2_6_MoeForCausalLM
    PaddleOCRVLForConditionalGeneration PaliGemmaForConditionalGeneration PanguEmbeddedForCausalLM
    PanguProMoEV2ForCausalLM PanguUltraMoEForCausalLM Param2MoEForCausalLM Phi3ForCausalLM Phi3VForCausalLM
    Phi4ForCausalLMV Phi4MMForCausalLM PhiForCausalLM PhiMoEForCausalLM PixtralForConditionalGeneration
    Plamo3ForCausalLM QianfanOCRForConditionalGeneration Qwen2AudioForConditionalGeneration Qwen2ForCausalLM
    Qwen2MoeForCausalLM Qwen2VLForConditionalGeneration Qwen2_5OmniForConditionalGeneration Qwen2_5OmniModel
    Qwen2_5_VLForConditionalGeneration Qwen3ASRForConditionalGeneration Qwen3ASRRealtimeGeneration Qwen3ForCausalLM
    Qwen3MoeForCausalLM Qwen3NextForCausalLM Qwen3OmniMoeForConditionalGeneration Qwen3VLForConditionalGeneration
    Qwen3VLMoeForConditionalGeneration Qwen3_5ForCausalLM Qwen3_5ForConditionalGeneration Qwen3_5MoeForCausalLM
    Qwen3_5MoeForConditionalGeneration Qwen4ExpForCausalLM Qwen4ExpForConditionalGeneration RForConditionalGeneration
    Rnj1ForCausalLM SarvamMLAForCausalLM SarvamMoEForCausalLM SeedOssForCausalLM SkyworkR1VChatModel SmolLM3ForCausalLM
    SmolVLMForConditionalGeneration SolarForCausalLM StableLmForCausalLM Starcoder2ForCausalLM Step1ForCausalLM
    Step3TextForCausalLM Step3VLForConditionalGeneration Step3p5ForCausalLM Step3p7ForConditionalGeneration
    StepVLForConditionalGeneration TeleChat2ForCausalLM TeleChat3ForCausalLM TeleFLMForCausalLM UltravoxModel
    UnlimitedOCRForCausalLM VaultGemmaForCausalLM VibeVoiceAsrForConditionalGeneration VoxtralForConditionalGeneration
    VoxtralRealtimeGeneration WhisperForConditionalGeneration Zamba2ForCausalLM
""")

# EntryClass of every sglang/srt/models/*.py in the wheel of 0.5.21, and six names that its readers of configs replace
# by one of those: DeepseekOCR2, DeepseekV41, DeepseekVLV2, Longcat, LongcatFlashNgram and Olmo3.
_SGLANG = _names("""
    AfmoeForCausalLM ApertusForCausalLM ArceeForCausalLM BaichuanForCausalLM BailingMM2NativeForConditionalGeneration
    BailingMMNativeForConditionalGeneration BailingMoEForCausalLM BailingMoeForCausalLM BailingMoeV2ForCausalLM
    BailingMoeV2_5ForCausalLM BailingMoeV3ForCausalLM BailingMoeV3VLForConditionalGeneration ChatGLMModel
    Cohere2ForCausalLM Cohere2MoeForCausalLM Cohere2VisionForConditionalGeneration CohereForCausalLM
    Cosmos3EdgeForConditionalGeneration Cosmos3ForConditionalGeneration DbrxForCausalLM DeciLMForCausalLM
    DeepseekForCausalLM DeepseekOCR2ForCausalLM DeepseekOCRForCausalLM DeepseekV2ForCausalLM DeepseekV32ForCausalLM
    DeepseekV3ForCausalLM DeepseekV41ForCausalLM DeepseekV4ForCausalLM DeepseekVL2ForCausalLM DeepseekVLV2ForCausalLM
    DiffusionGemmaForBlockDiffusion Dots3NoteForCausalLM DotsOCRForCausalLM DotsVLMForCausalLM Ernie4_5_ForCausalLM
    Ernie4_5_MoeForCausalLM Ernie4_5_VLMoeForConditionalGeneration Exaone4ForCausalLM ExaoneForCausalLM
    ExaoneMoEForCausalLM FalconH1ForCausalLM FalconMambaForCausalLM GPT2LMHeadModel GPTBigCodeForCausalLM
    GPTJForCausalLM Gemma2ForCausalLM Gemma3ForCausalLM Gemma3ForConditionalGeneration Gemma3nForCausalLM
    Gemma3nForConditionalGeneration Gemma4ForCausalLM Gemma4ForConditionalGeneration
    Gemma4UnifiedForConditionalGeneration GemmaForCausalLM GigaChat35ForCausalLM Glm4ForCausalLM Glm4MoeForCausalLM
    Glm4MoeLiteForCausalLM Glm4vForConditionalGeneration Glm4vMoeForConditionalGeneration
    Glm5NextForConditionalGeneration GlmAsrForConditionalGeneration GlmImageForConditionalGeneration
    GlmMoeDsaForCausalLM GlmOcrForConditionalGeneration GptOssForCausalLM GraniteForCausalLM GraniteMoeForCausalLM
    GraniteMoeHybridForCausalLM GraniteMoeSWAForCausalLM GraniteMoeSharedForCausalLM GraniteSWAForCausalLM
    Grok1ForCausalLM Grok1ModelForCausalLM HYV3ForCausalLM HYV4ForCausalLM HrmTextForCausalLM HunYuanDenseV1ForCausalLM
    HunYuanMoEV1ForCausalLM IQuestCoderForCausalLM IQuestLoopCoderForCausalLM IQuestQ1ForCausalLM
    InklingForConditionalGeneration InternLM2ForCausalLM InternLM3ForCausalLM InternS1ForConditionalGeneration
    InternS1ProForConditionalGeneration InternS2MobiusForConditionalGeneration InternS2PreviewForConditionalGeneration
    InternVLChatModel JetNemotronForCausalLM JetVLMForConditionalGeneration K2HorizonForCausalLM
    KimiK25ForConditionalGeneration KimiK3ForConditionalGeneration KimiK3LinearForCausalLM KimiLinearForCausalLM
    KimiVLForConditionalGeneration LLaDA2MoeModelLM LagunaForCausalLM Lfm2ForCausalLM Lfm2MoeForCausalLM
    Lfm2VlForConditionalGeneration LightOnOCRForConditionalGeneration Llama4ForCausalLM Llama4ForConditionalGeneration
    LlamaForCausalLM LlavaForConditionalGeneration LlavaLlamaForCausalLM LlavaMistralForCausalLM LlavaQwenForCausalLM
    LlavaVidForCausalLM LocateAnythingForConditionalGeneration LongcatCausalLM LongcatFlashForCausalLM
    LongcatFlashNgramForCausalLM Mamba2ForCausalLM MambaForCausalLM MellumForCausalLM MiDashengLMModel MiMoForCausalLM
    MiMoV2ASRForCausalLM MiMoV2FlashForCausalLM MiMoV2ForCausalLM MiniCPM3ForCausalLM MiniCPMForCausalLM MiniCPMO
    MiniCPMSALAForCausalLM MiniCPMV MiniCPMV4_6ForConditionalGeneration MiniMaxM2ForCausalLM MiniMaxM3SparseForCausalLM
    MiniMaxM3SparseForConditionalGeneration Ministral3ForCausalLM Mistral3ForConditionalGeneration MistralForCausalLM
    MistralLarge3ForCausalLM MixtralForCausalLM MllamaForConditionalGeneration MossVLForConditionalGeneration
    MultiModalityCausalLM MuseGlimmerForCausalLM MuseGlimmerForConditionalGeneration NVILAForConditionalGeneration
    NVILALiteForConditionalGeneration NanbeigeForCausalLM NemotronHForCausalLM NemotronHPuzzleForCausalLM
    NemotronH_Nano_Omni_Reasoning_V3 NemotronH_Nano_VL_V2 NemotronH_Omni_Reasoning_V3 OPTForCausalLM Olmo2ForCausalLM
    Olmo3ForCausalLM OlmoForCausalLM OlmoeForCausalLM OrionForCausalLM POINTSV15ChatModel
    PaddleOCRVLForConditionalGeneration PersimmonForCausalLM Phi3ForCausalLM Phi3SmallForCausalLM Phi4MMForCausalLM
    PhiForCausalLM PhiMoEForCausalLM PixtralForConditionalGeneration QWenLMHeadModel Qwen2AudioForConditionalGeneration
    Qwen2ForCausalLM Qwen2MoeForCausalLM Qwen2VLForConditionalGeneration Qwen2_5_VLForConditionalGeneration
    Qwen3ASRForConditionalGeneration Qwen3ForCausalLM Qwen3MoeForCausalLM Qwen3NextForCausalLM
    Qwen3OmniMoeForConditionalGeneration Qwen3VLForConditionalGeneration Qwen3VLMoeForConditionalGeneration
    Qwen3_5ForCausalLM Qwen3_5ForConditionalGeneration Qwen3_5MoeForCausalLM Qwen3_5MoeForConditionalGeneration
    Qwen4ExpForConditionalGeneration SDARForCausalLM SDARMoeForCausalLM Sarashina2VisionForCausalLM SarvamMLAForCausalLM
    SarvamMoEForCausalLM SolarForCausalLM Spark2_5ForCausalLM StableLmForCausalLM Starcoder2ForCausalLM
    Step3VLForConditionalGeneration Step3p5ForCausalLM Step3p7ForConditionalGeneration StepVLForConditionalGeneration
    TeleFLMForCausalLM UnlimitedOCRForCausalLM VoxtralForConditionalGeneration WhisperForConditionalGeneration
    XllmForCausalLM XverseForCausalLM XverseMoeForCausalLM YiVLForCausalLM ZayaForCausalLM
""")

# tensorrt_llm/_torch/models/_arch_index.py, which repeats every @register_auto_model. 1.3.0rc29 itself was not at hand:
# these are the names of a revision before it, and the two of Qwen4Exp, which a list made from the tag's sources has.
# Left out: what docs/source/models/supported-models.md gives to AutoDeploy, another backend than the rendered one.
_TRTLLM = _names("""
    AfmoeForCausalLM BartForConditionalGeneration Cohere2ForCausalLM Cosmos3ForConditionalGeneration DeciLMForCausalLM
    DeepseekV32ForCausalLM DeepseekV3ForCausalLM DeepseekV4ForCausalLM Exaone4ForCausalLM
    Exaone4_5_ForConditionalGeneration ExaoneMoEForCausalLM Gemma3ForCausalLM Gemma3ForConditionalGeneration
    Gemma4ForCausalLM Gemma4ForConditionalGeneration Gemma4UnifiedForConditionalGeneration Glm4MoeForCausalLM
    GlmMoeDsaForCausalLM GptOssForCausalLM HCXVisionForCausalLM HunYuanDenseV1ForCausalLM HunYuanMoEV1ForCausalLM
    KimiK25ForConditionalGeneration KimiK3ForConditionalGeneration KimiLinearForCausalLM LagunaForCausalLM
    Llama4ForConditionalGeneration LlamaForCausalLM LlavaLlamaModel LlavaNextForConditionalGeneration
    MBartForConditionalGeneration MiniCPMV4_6ForConditionalGeneration MiniMaxM2ForCausalLM MiniMaxM3SparseForCausalLM
    MiniMaxM3SparseForConditionalGeneration Mistral3ForConditionalGeneration MistralForCausalLM MistralLarge3ForCausalLM
    MixtralForCausalLM MllamaForConditionalGeneration NemotronForCausalLM NemotronHForCausalLM
    NemotronHPuzzleForCausalLM NemotronH_Nano_Omni_Reasoning_V3 NemotronH_Nano_VL_V2 Phi3ForCausalLM Phi4MMForCausalLM
    PixtralForConditionalGeneration Qwen2ForCausalLM Qwen2MoeForCausalLM Qwen2VLForConditionalGeneration
    Qwen2_5_VLForConditionalGeneration Qwen3ForCausalLM Qwen3MoeForCausalLM Qwen3NextForCausalLM
    Qwen3VLForConditionalGeneration Qwen3VLMoeForConditionalGeneration Qwen3_5ForCausalLM
    Qwen3_5ForConditionalGeneration Qwen3_5MoeForCausalLM Qwen3_5MoeForConditionalGeneration Qwen4ExpForCausalLM
    Qwen4ExpForConditionalGeneration QwenImageBenchForConditionalGeneration SeedOssForCausalLM Starcoder2ForCausalLM
    Step3p5ForCausalLM Step3p7ForConditionalGeneration T5ForConditionalGeneration WhisperForConditionalGeneration
""")

_LOADED: Mapping[Backend, frozenset[str]] = MappingProxyType(
    {Backend.VLLM: _VLLM, Backend.SGLANG: _SGLANG, Backend.TRTLLM: _TRTLLM}
)

# AIConfigurator 0.12 bundles configs of its own making for MiniMax-M3 and Step-3.7-Flash: their architectures are names
# that no checkpoint carries and no engine knows.
_IN_CHECKPOINTS: Mapping[str, str] = MappingProxyType(
    {
        "MiniMaxM3ForCausalLM": "MiniMaxM3SparseForConditionalGeneration",
        "Step3p7FlashForCausalLM": "Step3p7ForConditionalGeneration",
    }
)


_Version = tuple[int, int]
_SINCE: Mapping[Backend, Mapping[_Version, frozenset[str]]] = MappingProxyType(
    {
        Backend.VLLM: {
            (1, 6): _names("""
                BailingMoeV3VLForConditionalGeneration CohereCompassForConditionalGeneration DeepseekV41ForCausalLM
                DeepseekV4ForConditionalGeneration Glm5NextForCausalLM Glm5NextForConditionalGeneration
                GraniteMoeSWAForCausalLM GraniteSWAForCausalLM HYV4ForCausalLM K2HorizonForCausalLM NanbeigeForCausalLM
                NemotronH_Omni_Reasoning_V3 Qwen4ExpForCausalLM Qwen4ExpForConditionalGeneration
            """),
            (1, 5): _names("""
                BailingMoeV3ForCausalLM Dots3NoteForCausalLM ExaoneMoeForCausalLM InternS2MobiusForConditionalGeneration
                KimiK3ForConditionalGeneration MuseGlimmerForCausalLM MuseGlimmerForConditionalGeneration
                Qwen3_5ForCausalLM Qwen3_5MoeForCausalLM VaultGemmaForCausalLM VibeVoiceAsrForConditionalGeneration
            """),
            (1, 4): _names("""
                Cosmos3EdgeForConditionalGeneration DiffusionGemmaForBlockDiffusion HrmTextForCausalLM
                InklingForCausalLM InklingForConditionalGeneration LlavaOnevision2ForConditionalGeneration
                LongcatFlashNgramForCausalLM MiniMaxM3SparseForCausalLM MiniMaxM3SparseForConditionalGeneration
                MossAudioModel MossTranscribeDiarizeForConditionalGeneration UnlimitedOCRForCausalLM
            """),
            (1, 3): _names("""
                Cohere2MoeForCausalLM Cosmos3ForConditionalGeneration Gemma4UnifiedForConditionalGeneration
                GraniteSpeechPlusForConditionalGeneration HfMoondream InternS2PreviewForConditionalGeneration
                LagunaForCausalLM MellumForCausalLM MiMoV2ForCausalLM MiMoV2OmniForCausalLM
                MiniCPMV4_6ForConditionalGeneration Moondream3ForCausalLM OpenVLAForActionPrediction
                QianfanOCRForConditionalGeneration Step3p7ForConditionalGeneration
            """),
            (1, 2): _names("""
                Cheers CheersForConditionalGeneration DeepseekV4ForCausalLM Exaone4_5_ForConditionalGeneration
                FireRedLIDForConditionalGeneration Granite4VisionForConditionalGeneration HYV3ForCausalLM
                Ministral3ForCausalLM NemotronH_Nano_Omni_Reasoning_V3 NemotronH_Super_Omni_Reasoning_V3
                Param2MoEForCausalLM Phi4ForCausalLMV Rnj1ForCausalLM TeleChat3ForCausalLM
            """),
            (1, 1): _names("""
                AXK1ForCausalLM BailingMoeV2_5ForCausalLM CohereAsrForConditionalGeneration
                FireRedASR2ForConditionalGeneration FunASRForConditionalGeneration Gemma4ForCausalLM
                Gemma4ForConditionalGeneration HCXVisionV2ForCausalLM HyperCLOVAXForCausalLM MoonshotKimiaForCausalLM
                OlmoHybridForCausalLM Ovis2_6ForCausalLM Ovis2_6_MoeForCausalLM Qwen3ASRRealtimeGeneration
                Qwen3_5ForConditionalGeneration Qwen3_5MoeForConditionalGeneration SarvamMLAForCausalLM
                SarvamMoEForCausalLM
            """),
        },
        Backend.SGLANG: {
            (1, 6): _names("""
                BailingMM2NativeForConditionalGeneration BailingMMNativeForConditionalGeneration BailingMoeV3ForCausalLM
                BailingMoeV3VLForConditionalGeneration Cosmos3EdgeForConditionalGeneration
                Cosmos3ForConditionalGeneration DeepseekV41ForCausalLM DiffusionGemmaForBlockDiffusion
                Dots3NoteForCausalLM FalconMambaForCausalLM GigaChat35ForCausalLM Glm5NextForConditionalGeneration
                GraniteMoeSWAForCausalLM GraniteMoeSharedForCausalLM GraniteSWAForCausalLM HYV4ForCausalLM
                IQuestQ1ForCausalLM K2HorizonForCausalLM KimiK3LinearForCausalLM Mamba2ForCausalLM MambaForCausalLM
                MiniCPMSALAForCausalLM NanbeigeForCausalLM NemotronH_Omni_Reasoning_V3 Qwen4ExpForConditionalGeneration
                Spark2_5ForCausalLM XllmForCausalLM
            """),
            (1, 5): _names("""
                InternS2MobiusForConditionalGeneration KimiK3ForConditionalGeneration MuseGlimmerForCausalLM
                MuseGlimmerForConditionalGeneration Qwen3_5ForCausalLM Qwen3_5MoeForCausalLM
            """),
            (1, 4): _names("""
                GlmImageForConditionalGeneration HrmTextForCausalLM InklingForConditionalGeneration
                LocateAnythingForConditionalGeneration MellumForCausalLM MiniMaxM3SparseForCausalLM
                MiniMaxM3SparseForConditionalGeneration UnlimitedOCRForCausalLM
            """),
            (1, 3): _names("""
                Cohere2MoeForCausalLM Cohere2VisionForConditionalGeneration DeepseekV4ForCausalLM
                Gemma4UnifiedForConditionalGeneration InternS2PreviewForConditionalGeneration LagunaForCausalLM
                MiMoV2ASRForCausalLM MiniCPMV4_6ForConditionalGeneration NemotronHPuzzleForCausalLM
                Step3p7ForConditionalGeneration ZayaForCausalLM
            """),
            (1, 2): _names("""
                Gemma4ForCausalLM Gemma4ForConditionalGeneration HYV3ForCausalLM MiMoV2ForCausalLM
                MossVLForConditionalGeneration NemotronH_Nano_Omni_Reasoning_V3 Qwen3ASRForConditionalGeneration
                VoxtralForConditionalGeneration
            """),
            (1, 1): _names("""
                Lfm2VlForConditionalGeneration LongcatCausalLM LongcatFlashNgramForCausalLM SarvamMLAForCausalLM
                SarvamMoEForCausalLM WhisperForConditionalGeneration
            """),
        },
    }
)
"""By release of Dynamo, which architectures its engine was the first to load. Of TensorRT-LLM it is not known."""

_UNTIL: Mapping[Backend, Mapping[_Version, frozenset[str]]] = MappingProxyType(
    {
        Backend.VLLM: {
            (1, 5): _names("""
                ArcticForCausalLM ChameleonForConditionalGeneration Cheers CheersForConditionalGeneration
                Fairseq2LlamaForCausalLM FireRedLIDForConditionalGeneration GritLM HCXVisionForCausalLM MPTForCausalLM
                MptForCausalLM RWForCausalLM StableLMEpochForCausalLM
            """),
            (1, 4): _names("""
                ExaoneMoEForCausalLM OuroForCausalLM Plamo2ForCausalLM
            """),
            (1, 3): _names("""
                AquilaForCausalLM AquilaModel AyaVisionForConditionalGeneration BaiChuanForCausalLM BaichuanForCausalLM
                BambaForCausalLM Dots1ForCausalLM FuyuForCausalLM Grok1ForCausalLM Grok1ModelForCausalLM
                InternLM2VEForCausalLM InternLMForCausalLM MantisForConditionalGeneration MiniMaxForCausalLM
                MiniMaxM1ForCausalLM MiniMaxText01ForCausalLM MiniMaxVL01ForConditionalGeneration
                MusicFlamingoForConditionalGeneration PersimmonForCausalLM QWenLMHeadModel
                QwenVLForConditionalGeneration Tarsier2ForConditionalGeneration TarsierForConditionalGeneration
                TeleChatForCausalLM XverseForCausalLM
            """),
            (1, 2): _names("""
                JAISLMHeadModel
            """),
        }
    }
)
"""By release of Dynamo, which architectures its engine was the last to load: vLLM alone has dropped some."""


@cache
def architectures(backend: Backend, release: Release = NEWEST) -> frozenset[str]:
    """Return the architectures that the engine of a release of Dynamo is known to load; ``auto``: any engine."""
    if backend is Backend.AUTO:
        return frozenset[str]().union(*(architectures(engine, release) for engine in _LOADED))
    version = release.version
    later = (names for since, names in _SINCE.get(backend, {}).items() if since > version)
    still = (names for until, names in _UNTIL.get(backend, {}).items() if until >= version)
    return _LOADED[backend].union(*still).difference(*later)


def loads(backend: Backend, architecture: str, release: Release = NEWEST) -> bool:
    """Tell whether a backend is known to load an architecture; ``auto``: whether any of them is.

    Args:
        backend: The engine.
        architecture: Name of the class of the model.
        release: The release of Dynamo whose engine is meant.
    """
    return as_in_checkpoints(architecture) in architectures(backend, release)


def as_in_checkpoints(architecture: str) -> str:
    """Return the name that checkpoints carry for an architecture of the simulator's configs."""
    return _IN_CHECKPOINTS.get(architecture, architecture)


def releases_that_load(backend: Backend, architecture: str) -> list[Release]:
    """Return the releases of Dynamo whose engine is known to load an architecture, the newest first."""
    return [release for release in RELEASES if loads(backend, architecture, release)]
