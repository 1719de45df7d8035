"""Which kernel computes attention in training.

Dropout of attention is 0 everywhere (`architectures.py`), because with it a CPU takes its
slowest path. What is left depends on the length of the rows: torch's fused kernel never
writes the scores of all pairs of tokens down, which pays where rows are long; its backward
pass computes them again, which costs where rows are short. Measured in bfloat16 on two cores
with AMX (MiniLM, 32 rows): 142 rows/s by plain products against 88 at 56 tokens a row, 9.0
against 11.2 at 512. In float32 the two are within a tenth of each other.

The choice is a function of the shape, never of a clock: equal seeds must give equal bytes.
"""

from __future__ import annotations

from typing import Any

SHORT_ROW = 128  # tokens
SMALL_BATCH = 4096  # tokens, padding included; beyond it nothing was measured
PLAIN, FUSED = "eager", "sdpa"  # as transformers calls them


def attention_kernel(rows: int, tokens: int, *, training: bool, device: str) -> str:
    """Return the name of the kernel for a batch.

    Args:
        rows: B.
        tokens: L, padding included.
        training: whether a backward pass follows.
        device: its kind, such as cpu.
    """
    is_short = tokens < SHORT_ROW and rows * tokens <= SMALL_BATCH
    return PLAIN if training and device == "cpu" and is_short else FUSED


def has_both_kernels(model: Any) -> bool:
    """Whether a model of transformers computes attention with either kernel, and now does with the fused one."""
    supports = getattr(model, "_supports_sdpa", False) and getattr(model.config, "_attn_implementation", "") == FUSED
    can_set = getattr(model, "_can_set_attn_implementation", None)
    return bool(supports and can_set is not None and can_set())
