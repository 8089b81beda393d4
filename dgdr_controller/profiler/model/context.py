"""The context of models whose config does not say it: Transformers writes no value that is its class' default.

So engines, which read configs by these classes, refuse a longer one. Defaults of ``max_position_embeddings`` in
Transformers 5.12.1, of models of language that engines load.
"""

_BY_TYPE = {
    2048: """
        bitnet codegen dbrx deepseek_v2 dots1 exaone4 exaone_moe falcon gpt_neo gpt_neox gptj granite granitemoe
        granitemoehybrid granitemoeshared hunyuan_v1_dense hunyuan_v1_moe hyperclovax llama olmo olmo2 olmo3 opt phi
    """,
    4096: "arcee deepseek_v3 flex_olmo jetmoe nemotron nemotron_h olmoe phi3 stablelm starcoder2 zamba zamba2",
    8192: "cohere cohere2 cohere2_moe falcon_h1 gemma gemma2 jais2 vaultgemma",
    16384: "afmoe persimmon",
    32768: """
        gemma3n_text qwen2 qwen2_moe qwen3 qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen3_5_text qwen3_moe qwen3_next
        smollm3
    """,
    65536: "apertus olmo_hybrid",
    128000: "lfm2 lfm2_moe",
    131072: """
        ernie4_5 ernie4_5_moe gemma3 gemma3_text gemma4 gemma4_text glm glm4 glm4_moe gpt_oss hy_v3 laguna llama4
        llama4_text longcat_flash mellum minimax ministral mistral mixtral phimoe solar_open
    """,
    163840: "deepseek_v32",
    196608: "minimax_m2",
    202752: "glm4_moe_lite glm_moe_dsa",
    262144: "bamba gemma4_unified gemma4_unified_text jamba ministral3",
    524288: "minimax_m3_vl_text seed_oss",
    1048576: "deepseek_v4",
}
DEFAULTS = {name: tokens for tokens, names in _BY_TYPE.items() for name in names.split()}
"""Tokens by ``model_type``."""
