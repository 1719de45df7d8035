"""mlm: tokens that were masked, and, if asked, whether two sentences follow each other.

Source: Devlin et al. 2019 (15 % of the tokens are asked for; of these 80 % are masked, 10 %
replaced and 10 % left; next sentence prediction); Lan et al. 2020 (sentence order).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import Batch, collate
from bertkit.data.records import Example
from bertkit.data.splits import follows
from bertkit.data.store import taken
from bertkit.errors import DataError
from bertkit.metrics.probabilities import (
    pair_accuracy,
    pair_accuracy_difference,
    pair_accuracy_interval,
    perplexity_difference,
    perplexity_intervals,
    perplexity_metrics,
)
from bertkit.tasks.base import EncodedRow, Interval, Outputs, Scores, TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.encoding import encode_rows, joined_texts
from bertkit.tasks.registry import MOST_WORDS
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.segments import Span

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import Encoder, MaskedLanguageModel, TaskModel

# --- Which tokens of a row are masked, and by what ------------------------------------------------
#
# Source: Devlin et al. 2019 (of the tokens asked for 80 % are masked, 10 % replaced, 10 % left; whole
# words in the authors' later release).

SHARE = 0.15


def words_of(tokenizer: Tokenizer, part: Encoding, texts: tuple[str, ...], *, whole: bool) -> NDArray[np.int64]:
    """Number the tokens' words, (tokens), -1 for special tokens.

    Args:
        tokenizer: knows the special tokens.
        part: encoded with spans where `whole` is wanted.
        texts: the text of each side.
        whole: whether the tokens of a word have one number; without it each token is a word.
    """
    is_text = ~np.isin(part.ids, list(tokenizer.special_ids))
    begins = is_text.copy()
    if whole:
        glued = np.array([_is_glued(*pair, texts) for pair in pairwise(part.spans)], dtype=bool)
        begins[1:] &= ~(glued & is_text[:-1])
    return np.where(is_text, np.cumsum(begins) - 1, -1)


def mask_randomly(
    tokenizer: Tokenizer, part: Encoding, words: NDArray[np.int64], share: float, rng: np.random.Generator
) -> Encoding:
    """Choose words up to a share of the tokens; mask 80 % of them, replace 10 % and leave 10 %.

    Args:
        tokenizer: knows the mask, and the ids that replace others.
        part: what is read.
        words: the word of each token, from `words_of`.
        share: of the tokens, 0 to 1; one word is chosen at least.
        rng: the source of the choice.

    Returns:
        The part with its `masked` tokens; itself where it has no text.
    """
    sizes = np.bincount(words[words >= 0])
    if not len(sizes):
        return part
    order = rng.permutation(len(sizes))
    n_words = np.searchsorted(sizes[order].cumsum(), round(share * sizes.sum()), side="right")
    chosen = np.flatnonzero(np.isin(words, order[: max(1, int(n_words))]))
    ids, coins = list(part.ids), rng.random(len(chosen))
    for place, coin in zip(chosen.tolist(), coins, strict=True):
        if coin < 0.8:
            ids[place] = tokenizer.mask_id
        elif coin < 0.9:
            ids[place] = _random_id(tokenizer, rng)
    return replace(part, ids=ids, masked=tuple((p, part.ids[p]) for p in chosen.tolist()))


def mask_by_hash(tokenizer: Tokenizer, part: Encoding) -> Encoding:
    """Hide 15 % of a row's tokens behind the mask, chosen by a hash of its ids: the same ones every time."""
    places = [i for i, token in enumerate(part.ids) if token not in tokenizer.special_ids]
    if not places:
        return part
    digest = hashlib.blake2b(np.asarray(part.ids, dtype=np.int64).tobytes(), digest_size=8).digest()
    rng = np.random.default_rng(int.from_bytes(digest, "little"))
    chosen = sorted(rng.permutation(places)[: max(1, round(SHARE * len(places)))].tolist())
    ids = list(part.ids)
    for place in chosen:
        ids[place] = tokenizer.mask_id
    return replace(part, ids=ids, masked=tuple((p, part.ids[p]) for p in chosen))


def _random_id(tokenizer: Tokenizer, rng: np.random.Generator) -> int:
    while True:
        token = int(rng.integers(tokenizer.vocab_size))
        if token not in tokenizer.special_ids:
            return token


def _is_glued(before: Span, span: Span, texts: Sequence[str]) -> bool:
    """Tell whether a token goes on with the word of the token before it."""
    if span.side < 0 or (before.side, before.end) != (span.side, span.start):
        return False
    return texts[span.side][span.start - 1 : span.start + 1].isalnum()


# --- Pairs of sentences that follow each other, and pairs that do not, from texts line by line ----


@dataclass(frozen=True, slots=True)
class SentencePair:
    """A true pair and a false one, as row numbers."""

    first: int
    second: int
    false_first: int
    false_second: int


def pair_up(examples: Sequence[Example], *, kind: str) -> list[SentencePair]:
    """Pair each line with the next one of the same passage.

    Lines of a file follow each other where no blank line stands between them.

    Args:
        examples: the rows, in the order of their files.
        kind: "nsp": the false pair has a sentence from elsewhere (Devlin et al. 2019);
            "sop": it is the true pair in the wrong order (Lan et al. 2020).

    Raises:
        DataError: no two lines follow each other.
    """
    if found := list(_pairs(examples, kind)):
        return found
    source = examples[0].source if examples else "the training rows"
    raise DataError(
        f"{source}: no two lines follow each other; --sentence-pairs needs one sentence a line, "
        "and a blank line between passages."
    )


def _pairs(examples: Sequence[Example], kind: str) -> Iterator[SentencePair]:
    for i, (row, after) in enumerate(pairwise(examples)):
        if follows(row, after):
            false = (i + 1, i) if kind == "sop" else (i, _elsewhere(i, row, len(examples)))
            yield SentencePair(i, i + 1, *false)


def _elsewhere(i: int, row: Example, n: int) -> int:
    """Choose one of n rows by a hash of the text of row i, so that the same data gives the same pairs."""
    if n == 2:
        return i  # there is no third row, and a row does not follow itself
    digest = hashlib.blake2b(f"{i}\x1f{row.texts[0]}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    chosen = int.from_bytes(digest, "little") % n
    while chosen in (i, i + 1):
        chosen = (chosen + 1) % n
    return chosen


# --- What a masked LM made of the tokens it was asked for, and of pairs of sentences, as scores ---

TRUE_PAIR, FALSE_PAIR = 0, 1  # as BERT has it


@dataclass(frozen=True, slots=True)
class MaskedOutput:
    """What is known of a row's masked tokens, (tokens, …), and whether its pair was told right; None: it has none."""

    tokens: NDArray[np.float64]
    pair_right: bool | None = None


def judged(logs: Tensor, targets: Tensor) -> Tensor:
    """Return log-probability of each target, and 1 where it is the likeliest, (M, 2)."""
    import torch

    return torch.stack([logs.gather(1, targets[:, None])[:, 0], (logs.argmax(dim=-1) == targets).float()], dim=1)


def is_pair(part: Encoding) -> bool:
    """Tell whether a scored part is a pair: no other is asked for its first token."""
    return part.masked[:1] in (((0, TRUE_PAIR),), ((0, FALSE_PAIR),))


def masked_metrics(outputs: Outputs) -> dict[str, float]:
    """Return perplexity of the masked tokens, their mean loss, how many were found, and of pairs how many."""
    tokens, pairs = _apart(outputs)
    return perplexity_metrics(tokens) | pair_accuracy(pairs)


def masked_intervals(outputs: Outputs) -> dict[str, Interval]:
    """Return the bootstrap interval of each metric."""
    tokens, pairs = _apart(outputs)
    return perplexity_intervals(tokens) | pair_accuracy_interval(pairs)


def masked_difference(outputs: Outputs, others: Outputs) -> dict[str, Interval]:
    """Return the interval of each metric's difference, `outputs` minus `others`."""
    (tokens, pairs), (their_tokens, their_pairs) = _apart(outputs), _apart(others)
    return perplexity_difference(tokens, their_tokens) | pair_accuracy_difference(pairs, their_pairs)


def _apart(outputs: Outputs) -> tuple[list[NDArray[np.float64]], list[bool | None]]:
    """Separate masked tokens and pairs of rows."""
    return [output.tokens for output in outputs], [output.pair_right for output in outputs]


SHOWN = 5
_PAIRS_AT_ONCE = 4096
# How people write what is to be filled, whatever the tokenizer calls it.
_MASK_WORDS = ("[MASK]", "<mask>")


@dataclass(frozen=True, slots=True)
class _Target:
    """What a training row is made of: the word each token belongs to (-1: none), and its order."""

    words: NDArray[np.int64]
    swapped_words: NDArray[np.int64] | None = None


class MaskedLMTask:
    """Hidden tokens.

    Args:
        settings: `sentence_pairs` is none, nsp or sop.
        tokenizer: the encoder's tokenizer.
    """

    def __init__(self, settings: TaskSettings, tokenizer: Tokenizer) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        tokenizer.reads_control = True  # [MASK] in a text is what is to be filled
        self._masks = (*_MASK_WORDS, *([tokenizer.special.mask] if tokenizer.special.mask else []))
        self._mask_word = re.compile("|".join(map(re.escape, self._masks)))

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> MaskedLMTask:
        """Check that the tokenizer can hide tokens.

        Raises:
            TokenizerError: it has no mask token.
        """
        tokenizer.mask_id  # noqa: B018 - raises
        return cls(settings, tokenizer)

    @property
    def has_pairs(self) -> bool:
        """Whether the order of sentences is learnt too."""
        return self.settings.sentence_pairs != "none"

    def build_model(self, encoder: Encoder, *, dropout: float) -> MaskedLanguageModel:
        """Put BERT's head for masked tokens on an encoder."""
        from bertkit.models.heads import MaskedLanguageModel

        positions = self.settings.max_length if self.settings.mask_decoder == "enhanced" else None
        return MaskedLanguageModel(encoder, with_pairs=self.has_pairs, dropout=dropout, positions=positions)

    def encode(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode texts that hold [MASK].

        Raises:
            DataError: a text holds none, or it was cut away.
        """
        mask, mask_id = self.tokenizer.special.mask or "", self.tokenizer.mask_id
        for example in examples:
            if not any(map(self._mask_word.search, example.texts)):
                raise DataError.at(example.source, example.line, "the text has no [MASK] to fill.")
        texts = [self._mask_word.sub(lambda _: mask, text) for text in self._texts(examples)]
        rows = encode_rows(self.tokenizer, texts, None, examples, self._whole_rows())
        for row, example in zip(rows, examples, strict=True):
            if mask_id not in row.parts[0].ids:
                limit = self.settings.max_length
                raise DataError.at(example.source, example.line, f"its [MASK] is after the {limit} tokens read.")
        return rows

    def encode_scored(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode texts and hide 15 % of their tokens, the same ones every time.

        With sentence pairs, the parts of a row that has a next line end with a pair, every
        other one of them a false one; what is asked of its first token is its order.
        """
        rows = encode_rows(self.tokenizer, self._texts(examples), None, examples, self.settings)
        parts = [tuple(mask_by_hash(self.tokenizer, part) for part in row.parts) for row in rows]
        for i, pair in self._scored_pairs(examples):
            parts[i] += (pair,)
        return [replace(row, parts=of_row) for row, of_row in zip(rows, parts, strict=True)]

    def training_rows(self, examples: Sequence[Example], options: TrainingOptions) -> list[TrainingRow]:
        """Encode texts; every window is a row. With sentence pairs, rows are pairs of lines.

        Raises:
            DataError: sentence pairs are wanted and no two lines follow each other.
        """
        if self.has_pairs:
            return [row for make in self.training_work(examples, options) for row in make()]
        texts, whole = self._texts(examples), options.whole_words
        encoded = encode_rows(self.tokenizer, texts, None, examples, self.settings, with_spans=whole)
        rows = []
        for example, row, text in zip(examples, encoded, texts, strict=True):
            place = f"{example.source}:{example.line}"
            for part in row.parts:
                target = _Target(words_of(self.tokenizer, part, (text,), whole=whole))
                rows.append(TrainingRow(EncodedRow.whole(replace(part, spans=())), None, target, place))
        return rows

    def training_work(
        self, examples: Sequence[Example], options: TrainingOptions
    ) -> Iterator[Callable[[], list[TrainingRow]]]:
        """Yield what makes pairs of lines, some thousands at a time, for the rows need not be held.

        Raises:
            DataError: no two lines follow each other.
        """
        pairs = _pairs(examples, self.settings.sentence_pairs)
        some = list(islice(pairs, _PAIRS_AT_ONCE)) or pair_up(examples, kind=self.settings.sentence_pairs)
        while some:
            places = np.unique([(p.first, p.second, p.false_first, p.false_second) for p in some])
            own = dict(zip(places.tolist(), taken(examples, places), strict=True))
            yield partial(self._pair_rows, some, own, options)
            some = list(islice(pairs, _PAIRS_AT_ONCE))

    def training_batch(self, rows: Sequence[TrainingRow], options: TrainingOptions, rng: np.random.Generator) -> Batch:
        """Collate rows with tokens masked.

        Targets are the masked tokens' true ids, (M), and after them, with sentence pairs, 0
        for a true pair and 1 for a false one, (B), as BERT has it.
        """
        import torch

        coins = rng.random(len(rows)) < 0.5
        parts, masked, orders = [], [], []
        for row, coin in zip(rows, coins, strict=True):
            other = row.swapped if coin else None
            encoding = (other or row.encoded).parts[0]
            words = row.target.words if other is None else row.target.swapped_words
            part = mask_randomly(self.tokenizer, encoding, words, options.token_masking or SHARE, rng)
            parts.append(part)
            masked += [token for _, token in part.masked]
            orders.append(TRUE_PAIR if other is None else FALSE_PAIR)
        targets = torch.tensor(masked + (orders if self.has_pairs else []), dtype=torch.long)
        return replace(self.batch(parts), targets=targets)

    def batch(self, parts: Sequence[Encoding]) -> Batch:
        """Collate parts; the tokens asked for are those that were masked, or that are [MASK]."""
        import torch

        batch = collate(parts, pad_id=self.tokenizer.pad_id)
        width = batch.input_ids.shape[1]
        scored = any(part.masked for part in parts)
        positions, gold = [], []
        for i, part in enumerate(parts):
            places = [place for place, _ in part.masked] if scored else _places(part.ids, self.tokenizer.mask_id)
            positions += [i * width + place for place in places]
            gold += [token for _, token in part.masked]
        targets = torch.tensor(gold, dtype=torch.long) if scored else None
        return replace(batch, positions=torch.tensor(positions, dtype=torch.long), targets=targets)

    def losses(self, logits: Any, batch: Batch, options: TrainingOptions) -> Tensor:
        """Mean cross entropy over the masked tokens of each row, plus that of its order, (B)."""
        import torch
        from torch.nn import functional

        if batch.targets is None or batch.positions is None:
            raise ValueError("a training batch has no targets")
        words, order = logits
        asked, (n_rows, width) = len(batch.positions), batch.input_ids.shape
        each = functional.cross_entropy(words.float(), batch.targets[:asked], reduction="none")  # (M)
        row_of = batch.positions // width
        counts = torch.bincount(row_of, minlength=n_rows).clamp(min=1)
        losses = each.new_zeros(n_rows).index_add(0, row_of, each) / counts  # (B)
        if order is None:
            return losses
        return losses + functional.cross_entropy(order.float(), batch.targets[asked:], reduction="none")

    def part_outputs(self, logits: Any, batch: Batch) -> Sequence[NDArray[np.float64]]:
        """Return for each part what is known of its asked tokens, (tokens, …).

        Where the true tokens are known: log-probability and whether the likeliest token is
        the true one; of a pair the same of its order. Else: the likeliest tokens' ids, then
        their probabilities.
        """
        import torch

        assert batch.positions is not None
        (words, order), width = logits, batch.input_ids.shape[1]
        logs, row_of = words.float().log_softmax(dim=-1), batch.positions // width  # (M, V), (M)
        if batch.targets is not None:
            figures = judged(logs, batch.targets)
            if order is not None:
                is_first = batch.positions % width == 0
                of_pairs = order.float().log_softmax(dim=-1)[row_of[is_first]]
                figures[is_first] = judged(of_pairs, batch.targets[is_first])
        else:
            best = logs.topk(min(MOST_WORDS, logs.shape[1]), dim=-1)
            figures = torch.cat([best.indices.float(), best.values.exp()], dim=1)
        table, owner = figures.double().cpu().numpy(), row_of.cpu().numpy()
        return [table[owner == i] for i in range(len(batch.input_ids))]

    def row_output(self, row: EncodedRow, parts: Iterable[NDArray[np.float64]]) -> MaskedOutput:
        """Put the tokens of a row's windows one after the other; its pair comes last."""
        if not is_pair(row.parts[-1]):
            return MaskedOutput(np.concatenate(list(parts)))
        *windows, pair = parts
        return MaskedOutput(np.concatenate(windows), bool(pair[0, 1]))

    def record(self, example: Example, output: MaskedOutput, top_k: int) -> dict[str, Any]:
        """Return for each [MASK] that was read its place in its text and the likeliest tokens.

        Where a row has several columns, `column` says which one the place is in.
        """
        columns = self.settings.columns.text if len(example.texts) > 1 else ("",)
        places = (
            {"start": match.start(), **({"column": column} if column else {})}
            for column, text in zip(columns, example.texts, strict=True)
            for match in self._mask_word.finditer(text)
        )
        half, masks = output.tokens.shape[1] // 2, []
        for place, figures in zip(places, output.tokens, strict=False):
            tokens = [self.tokenizer.backend.id_to_token(int(i)) for i in figures[:half]]
            scores = [round(float(p), 6) for p in figures[half:]]
            # A model may have more ids than its tokenizer has tokens.
            known = [{"token": t, "score": s} for t, s in zip(tokens, scores, strict=True) if t is not None]
            masks.append({**place, "top": known[: top_k or SHOWN]})
        return {"masks": masks}

    def record_fields(self, top_k: int) -> list[str]:
        """Name the keys of a record."""
        return ["masks"]

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Return perplexity of the masked tokens, their mean loss, how many were found, and of pairs how many."""
        return Scores(masked_metrics(outputs))

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> Mapping[str, Interval]:
        """Return the bootstrap interval of each metric."""
        return masked_intervals(outputs)

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> Mapping[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`."""
        return masked_difference(outputs, others)

    def settle(self, model: TaskModel) -> None:
        """Nothing to settle: logits are logits."""

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> list[tuple[int, dict[str, Any]]]:
        """Return (row, its perplexity) for every row, the hardest first."""
        tokens = ((i, output.tokens) for i, output in enumerate(outputs))
        means = [(i, float(-row[:, 0].mean())) for i, row in tokens if len(row)]
        return [(i, {"perplexity": round(float(np.exp(m)), 4)}) for i, m in sorted(means, key=lambda row: -row[1])]

    def _texts(self, examples: Sequence[Example]) -> list[str]:
        return joined_texts((e.texts for e in examples), self.settings, self.tokenizer, but=self._masks)

    def _whole_rows(self) -> TaskSettings:
        """Return the settings for rows that are read in one part, whatever their length."""
        return self.settings if self.settings.on_long == "error" else replace(self.settings, on_long="truncate")

    def _scored_pairs(self, examples: Sequence[Example]) -> Iterator[tuple[int, Encoding]]:
        """Yield the place of a row and the pair that is asked about, for rows that have a next line."""
        if not (self.has_pairs and any(follows(*pair) for pair in pairwise(examples))):
            return
        texts, chosen = self._texts(examples), []
        for i, pair in enumerate(pair_up(examples, kind=self.settings.sentence_pairs)):
            true, false = (pair.first, pair.second), (pair.false_first, pair.false_second)
            chosen.append((pair.first, *(false if i % 2 else true)))
        firsts, seconds = ([texts[row[side]] for row in chosen] for side in (1, 2))
        encodings = self.tokenizer.encode(firsts, seconds, max_length=self.settings.max_length)
        for i, ((place, *_), encoding) in enumerate(zip(chosen, encodings, strict=True)):
            yield place, replace(encoding, masked=((0, FALSE_PAIR if i % 2 else TRUE_PAIR),))

    def _pair_rows(
        self, pairs: Sequence[SentencePair], examples: Mapping[int, Example], options: TrainingOptions
    ) -> list[TrainingRow]:
        texts = dict(zip(examples, self._texts(list(examples.values())), strict=True))
        whole = options.whole_words
        places = [examples[pair.first] for pair in pairs]

        def encoded(rows: Sequence[tuple[int, int]]) -> list[tuple[EncodedRow, NDArray[np.int64]]]:
            firsts, seconds = ([texts[row[side]] for row in rows] for side in (0, 1))
            found = encode_rows(self.tokenizer, firsts, seconds, places, self._whole_rows(), with_spans=whole)
            words = [
                words_of(self.tokenizer, row.parts[0], both, whole=whole)
                for row, both in zip(found, zip(firsts, seconds, strict=True), strict=True)
            ]
            bare = [replace(row, parts=(replace(row.parts[0], spans=()),)) for row in found]
            return list(zip(bare, words, strict=True))

        true = encoded([(pair.first, pair.second) for pair in pairs])
        false = encoded([(pair.false_first, pair.false_second) for pair in pairs])
        return [
            TrainingRow(right, wrong, _Target(words, other_words), f"{example.source}:{example.line}")
            for example, (right, words), (wrong, other_words) in zip(places, true, false, strict=True)
        ]


def _places(ids: Sequence[int], token: int) -> list[int]:
    return [i for i, other in enumerate(ids) if other == token]
