"""Which parsers read tool calls and reasoning off a model's answers.

Without them an answer's tool calls and reasoning stay in its text. Names: those that ``dynamo`` 1.6.1 knows; which
model takes which is told by Dynamo's documentation and recipes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dgdr_api.results import ModelFacts
from dgdr_controller.deployment.render.engine import Flag


@dataclass(frozen=True, slots=True)
class _Row:
    """Parsers of some models.

    Attributes:
        types: Their ``model_type``.
        tools: The parser of tool calls; empty: none.
        reasoning: That of reasoning; empty: none.
        name: What their names contain, where the type alone does not tell.
    """

    types: str
    tools: str
    reasoning: str = ""
    name: str = ""

    def is_for(self, model: ModelFacts, name: str) -> bool:
        return model.model_type in self.types.split() and bool(re.search(self.name, name, re.IGNORECASE))


ROWS = (
    _Row("gpt_oss", "harmony", "gpt_oss"),
    _Row("deepseek_v3", "deepseek_v3_1", name="V3[.]1"),  # its template does not think unless it is asked to
    _Row("deepseek_v3", "deepseek_v3", "deepseek_r1", name="R1"),
    _Row("deepseek_v3", "deepseek_v3"),
    _Row("deepseek_v32", "deepseek_v3_2"),
    _Row("deepseek_v4 deepseek_ref", "deepseek_v4", "deepseek_v4"),
    _Row("qwen3_next qwen3_5 qwen3_5_text qwen3_5_moe", "qwen3_coder", "qwen3"),
    _Row("qwen3 qwen3_moe qwen3_vl qwen3_vl_moe", "qwen3_coder", name="Coder"),
    _Row("qwen3 qwen3_moe qwen3_vl qwen3_vl_moe", "hermes", "qwen3"),
    _Row("qwen2 llama", "", "deepseek_r1", name="R1-Distill"),
    _Row("qwen2", "hermes", "deepseek_r1", name="QwQ"),
    _Row("qwen2 qwen2_moe qwen2_vl qwen2_5_vl", "hermes", name="Instruct"),
    _Row("glm4_moe", "glm45", "glm45", name="4[.]5"),
    _Row("glm4_moe glm_moe_dsa", "glm47", "glm45"),
    _Row("kimi_k2", "kimi_k2", "kimi", name="Thinking"),
    _Row("kimi_k2", "kimi_k2"),
    _Row("kimi_k25", "kimi_k2", "kimi_k25"),
    _Row("kimi_k3", "kimi_k3", "kimi_k3"),
    _Row("minimax_m2", "minimax_m2", "minimax_append_think"),
    _Row("minimax_m3 minimax_m3_vl", "minimax_m3", "minimax_m3"),
    _Row("nemotron_h", "nemotron_nano", "nemotron_nano", name="Nemotron-3"),
    _Row("nemotron-nas", "nemotron_deci", "nemotron_deci"),
    _Row("llama", "llama3_json", name="Llama-3.*Instruct"),
    _Row("llama4", "pythonic", name="Instruct"),
    _Row("mistral mixtral mistral3", "mistral", "mistral", name="Magistral"),
    _Row("mistral mixtral mistral3", "mistral", name="Instruct"),
    _Row("gemma4", "gemma4", "gemma4"),
)
"""The first row that is for a model counts."""
_NOT_THINKING = re.compile(r"(^|[-_/])(Instruct|Base)([-_]|$)", re.IGNORECASE)


def parsers(model: ModelFacts, name: str) -> Iterator[Flag]:
    """Yield the flags of the workers that decode."""
    row = next((row for row in ROWS if row.is_for(model, name)), None)
    if row is None:
        return
    if row.tools:
        yield Flag("--dyn-tool-call-parser", lambda _: row.tools, when=lambda w: w.decodes)
    if row.reasoning and not _NOT_THINKING.search(name):
        yield Flag("--dyn-reasoning-parser", lambda _: row.reasoning, when=lambda w: w.decodes)
