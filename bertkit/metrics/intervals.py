"""How far a score could have come out otherwise: percentile bootstrap intervals (Efron 1979).

The rows of the test set are drawn anew with replacement, 1,000 times, and the interval
holds the middle 95 % of the scores. For the difference of two models both are scored
on the same drawn rows, so that what is hard for both cancels out. The draws are
integers of PCG64: a seed gives the same rows on any machine.

Rows are drawn in chunks of bounded size, and a chunk is scored at once: labels by
counting how often each combination of gold and predicted label was drawn, numbers by
how often each row was. Of very many rows those that count alike are drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.cache import row_by_row, scratch_array
from bertkit.metrics.classification import (
    Numbers,
    Tallies,
    as_columns,
    ascending,
    average_ranks,
    bounded,
    centred,
    counted,
    label_numbers,
    label_order,
    ratio,
    tally_metrics,
)

RESAMPLES = 1_000
LEVEL = 0.95
_CHUNK = 2**18  # drawn rows that are held at once: 2 MiB of indices, which caches like
MOST_DRAWN = 2**18  # rows that are drawn one by one; of more, how often equal ones are drawn is drawn at once
_BINS = 4096  # of values that are drawn together
_ROUNDING = 1e-12  # a variance of standardised values (or ranks) below this is none

Interval = tuple[float, float]
Draws = NDArray[np.intp]
Score = Callable[[Draws], Mapping[str, float]]
"""Scores the rows at some indices, shape (rows)."""
ChunkScore = Callable[[Draws], Mapping[str, NDArray[np.float64]]]
"""Scores several draws at once, shape (draws, rows), to one value per draw."""


def bootstrap(
    score: Score, n: int, *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> dict[str, Interval]:
    """Return the percentile interval of each figure that `score` computes from n rows.

    `score` is called once for each draw; where it can take many draws at once,
    `bootstrap_chunks` is faster. No rows have no intervals.
    """
    return bootstrap_chunks(_one_by_one(score), n, resamples=resamples, seed=seed, level=level)


def bootstrap_difference(
    model: Score, baseline: Score, n: int, *, seed: int = 0, level: float = LEVEL
) -> dict[str, Interval]:
    """Return the interval of `model` minus `baseline` for each figure, both scored on the same draws."""

    def difference(draw: Draws) -> dict[str, float]:
        other = baseline(draw)
        return {name: value - other[name] for name, value in model(draw).items()}

    return bootstrap(difference, n, seed=seed, level=level)


def bootstrap_chunks(
    score: ChunkScore, n: int, *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> dict[str, Interval]:
    """Return the percentile interval of each figure, scoring many draws at once."""
    if n == 0:
        return {}
    chunks = [score(draws) for draws in draw_rows(n, resamples, seed)]
    return percentiles({name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}, level)


def bootstrap_cells(
    score: Callable[[NDArray[np.float64]], Mapping[str, NDArray[np.float64]]],
    counts: NDArray[np.integer[Any]],
    seed: int = 0,
) -> dict[str, Interval]:
    """Return the percentile interval of each figure of very many rows, of which those of a cell count alike.

    How often the cells are drawn is multinomial, so that no row is drawn by itself.

    Args:
        score: computes figures, one for each draw, from how often each cell was drawn, (draws, cells).
        counts: how many rows are in each cell, (cells).
        seed: sets the draws.
    """
    return percentiles(_scores_of_cells(score, counts, seed))


def mean_intervals(values: Mapping[str, NDArray[np.float64]], seed: int = 0) -> dict[str, Interval]:
    """Return the interval of the mean of each column, by its name; no rows have none."""
    n = len(next(iter(values.values()), ()))
    if n > MOST_DRAWN:
        return percentiles({name: _means_of_many(own, seed) for name, own in values.items()})
    return bootstrap_chunks(lambda draws: {name: own[draws].mean(axis=1) for name, own in values.items()}, n, seed=seed)


def percentiles(drawn: Mapping[str, NDArray[np.float64]], level: float = LEVEL) -> dict[str, Interval]:
    """Return the percentile interval of figures that were computed of many draws."""
    tail = (1.0 - level) / 2.0
    intervals = {}
    for name, values in drawn.items():
        low, high = np.quantile(values, [tail, 1.0 - tail])
        intervals[name] = (float(low), float(high))
    return intervals


def draw_rows(n: int, resamples: int, seed: int) -> Iterator[Draws]:
    """Draw n of n rows with replacement, `resamples` times, as chunks of shape (draws, n)."""
    generator = np.random.Generator(np.random.PCG64(seed))
    step = max(1, _CHUNK // n)
    for start in range(0, resamples, step):
        yield generator.integers(0, n, size=(min(step, resamples - start), n), dtype=np.intp)


def classification_intervals(
    gold: Sequence[str],
    predicted: Sequence[str],
    labels: Sequence[str],
    positive: str | None,
    losses: Numbers | None = None,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return the interval of each metric of `classification_metrics`, and of the mean of `losses`."""
    order = label_order(gold, predicted, labels)
    place = None if positive is None else order.index(positive)
    if len(gold) > MOST_DRAWN:
        count_cells, counts = _tallies_of_many(gold, [predicted], order)
        found = bootstrap_cells(lambda times: tally_metrics(count_cells(times)[0], place), counts, seed)
        return found if losses is None else found | mean_intervals({"loss": np.asarray(losses)}, seed)
    count = _drawn_tallies(gold, [predicted], order)
    cost = None if losses is None else np.asarray(losses, np.float64)

    def score(draws: Draws) -> dict[str, NDArray[np.float64]]:
        scores = tally_metrics(count(draws)[0], place)
        return scores if cost is None else {**scores, "loss": cost[draws].mean(axis=1)}

    return bootstrap_chunks(score, len(gold), seed=seed)


def classification_difference(
    gold: Sequence[str],
    model: Sequence[str],
    baseline: Sequence[str],
    labels: Sequence[str],
    positive: str | None,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return the interval of model minus baseline for each metric of `classification_metrics`."""
    order = label_order(gold, model, label_order(gold, baseline, labels))
    place = None if positive is None else order.index(positive)

    def less(model: Tallies, baseline: Tallies) -> dict[str, NDArray[np.float64]]:
        mine, other = tally_metrics(model, place), tally_metrics(baseline, place)
        return {name: mine[name] - other[name] for name in mine}

    if len(gold) > MOST_DRAWN:
        count_cells, counts = _tallies_of_many(gold, [model, baseline], order)
        return bootstrap_cells(lambda times: less(*count_cells(times)), counts, seed)
    count = _drawn_tallies(gold, [model, baseline], order)
    return bootstrap_chunks(lambda draws: less(*count(draws)), len(gold), seed=seed)


def mean_difference(model: Numbers, baseline: Numbers, name: str, seed: int = 0) -> dict[str, Interval]:
    """Return the interval of the mean of model minus baseline, by its name, from one figure a row of each."""
    columns = (np.asarray(own, np.float64) for own in (model, baseline))
    return mean_intervals({name: row_by_row(np.subtract, *columns, kind="float64")}, seed)


def regression_intervals(gold: Numbers, predicted: Numbers, seed: int = 0) -> dict[str, Interval]:
    """Return the interval of each metric of `regression_metrics`."""
    if len(gold) > MOST_DRAWN:
        (drawn,) = _regression_of_many(gold, [predicted], seed)
        return percentiles(drawn)
    score = _drawn_regression(gold, [predicted])
    return bootstrap_chunks(lambda draws: score(draws)[0], len(gold), seed=seed)


def regression_difference(gold: Numbers, model: Numbers, baseline: Numbers, seed: int = 0) -> dict[str, Interval]:
    """Return the interval of model minus baseline for each metric of `regression_metrics`."""
    if len(gold) > MOST_DRAWN:
        ours, others = _regression_of_many(gold, [model, baseline], seed)
        return percentiles({name: ours[name] - others[name] for name in ours})
    both = _drawn_regression(gold, [model, baseline])

    def score(draws: Draws) -> dict[str, NDArray[np.float64]]:
        mine, other = both(draws)
        return {name: mine[name] - other[name] for name in mine}

    return bootstrap_chunks(score, len(gold), seed=seed)


def _one_by_one(score: Score) -> ChunkScore:
    def chunk(draws: Draws) -> dict[str, NDArray[np.float64]]:
        scores = [score(draw) for draw in draws]
        return {name: np.asarray([one[name] for one in scores], np.float64) for name in scores[0]}

    return chunk


def _scores_of_cells(
    score: Callable[[NDArray[np.float64]], Mapping[str, NDArray[np.float64]]],
    counts: NDArray[np.integer[Any]],
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Score draws of cells some at a time: all at once would be a thousand numbers for each cell."""
    generator, n = np.random.default_rng(seed), int(counts.sum())
    step = max(1, _CHUNK // len(counts))
    chunks = []
    for start in range(0, RESAMPLES, step):
        times = generator.multinomial(n, counts / n, min(step, RESAMPLES - start))
        chunks.append(score(times.astype(np.float64)))
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _tallies_of_many(
    gold: Sequence[str], predictions: Sequence[Sequence[str]], order: Sequence[str]
) -> tuple[Callable[[NDArray[np.float64]], list[Tallies]], NDArray[np.int64]]:
    """Return what counts drawn rows per label, for each prediction, from how often cells were drawn; and the cells.

    A cell is the rows with the same gold and the same predicted labels.
    """
    size = len(order)
    cells, counts = counted(_cell_codes(gold, predictions, order))
    gold_of_cell, given_of_cell = _parted_cells(cells, predictions, size)

    def count(times: NDArray[np.float64]) -> list[Tallies]:
        return [_tallies_of_cells(times, gold_of_cell, given, size) for given in given_of_cell]

    return count, counts


def _cell_codes(
    gold: Sequence[str], predictions: Sequence[Sequence[str]], order: Sequence[str]
) -> NDArray[np.integer[Any]]:
    """Number the cell of each row: rows with the same gold and the same predicted labels are one."""
    code, size = label_numbers(gold, order), len(order)
    for predicted in predictions:
        code = row_by_row(
            lambda own, their: own.astype(np.int64) * size + their, code, label_numbers(predicted, order), kind="int64"
        )
    return code


def _parted_cells(
    cells: NDArray[Any], predictions: Sequence[object], size: int
) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    """Return the gold label of each cell, and what each prediction says there."""
    given_of_cell: list[NDArray[Any]] = []
    for _ in predictions:
        cells, given = np.divmod(cells, size)
        given_of_cell.insert(0, given)
    return cells, given_of_cell


def _tallies_of_cells(
    drawn: NDArray[np.float64], gold: NDArray[np.int64], given: NDArray[np.int64], size: int
) -> Tallies:
    return Tallies(
        correct=_sum_by(drawn * (gold == given), given, size),
        gold=_sum_by(drawn, gold, size),
        predicted=_sum_by(drawn, given, size),
    )


def _means_of_many(values: Numbers, seed: int) -> NDArray[np.float64]:
    """Return the mean of very many values in each draw; values that are nearly equal are drawn together."""
    column = np.asarray(values, np.float64)
    least, width = float(column.min()), float(np.ptp(column)) or 1.0
    counts, sums = np.zeros(_BINS, np.int64), np.zeros(_BINS)
    for start in range(0, len(column), _CHUNK):
        part = column[start : start + _CHUNK]
        bins = np.minimum(((part - least) / width * _BINS).astype(np.int64), _BINS - 1)
        counts += np.bincount(bins, minlength=_BINS)
        sums += np.bincount(bins, part, minlength=_BINS)
    there = counts > 0
    centres = sums[there] / counts[there]
    drawn = _scores_of_cells(lambda times: {"mean": times @ centres / len(column)}, counts[there], seed)
    return drawn["mean"]


def _drawn_tallies(
    gold: Sequence[str], predictions: Sequence[Sequence[str]], order: Sequence[str]
) -> Callable[[Draws], list[Tallies]]:
    """Prepare to count drawn rows per label, for each prediction of the same rows.

    How often each cell was drawn is counted once and then summed by gold label, by
    predicted label and, where the two agree, by both.
    """
    size = len(order)
    cells, cell_of_row = np.unique(_cell_codes(gold, predictions, order), return_inverse=True)
    gold_of_cell, given_of_cell = _parted_cells(cells, predictions, size)

    def count(draws: Draws) -> list[Tallies]:
        drawn = _times_drawn(cell_of_row[draws], len(gold_of_cell))  # (draws, cells)
        return [_tallies_of_cells(drawn, gold_of_cell, given, size) for given in given_of_cell]

    return count


def _times_drawn(drawn: NDArray[np.intp], size: int) -> NDArray[np.float64]:
    """Count the values 0 to size - 1 in each row of `drawn`; (draws, size)."""
    draws = len(drawn)
    apart = drawn + np.arange(draws)[:, None] * size
    return np.bincount(apart.ravel(), minlength=draws * size).reshape(draws, size).astype(np.float64)


def _sum_by(values: NDArray[np.float64], keys: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Sum the columns of `values` that share a key; (draws, size)."""
    order = np.argsort(keys, kind="stable")
    present, starts = np.unique(keys[order], return_index=True)
    sums = np.zeros((len(values), size))
    sums[:, present] = np.add.reduceat(np.take(values, order, axis=1), starts, axis=1)
    return sums


def _drawn_regression(
    gold: Numbers, predictions: Sequence[Numbers]
) -> Callable[[Draws], list[dict[str, NDArray[np.float64]]]]:
    """Prepare to compute the metrics of `regression_metrics` on drawn rows, for each prediction of them."""
    columns = [as_columns(gold, predicted) for predicted in predictions]
    sums = [_summands(true, given) for true, given in columns]
    rank_gold = _ranker(columns[0][0])
    rankers = [_ranker(given) for _, given in columns]

    def score(draws: Draws) -> list[dict[str, NDArray[np.float64]]]:
        times = _times_drawn(draws, len(gold))  # (draws, rows)
        gold_ranks = rank_gold(times)
        return [
            {
                **_moment_metrics(times @ summands / len(gold)),
                "spearman": _rank_correlation(times, gold_ranks, ranks(times)),
            }
            for summands, ranks in zip(sums, rankers, strict=True)
        ]

    return score


def _regression_of_many(
    gold: Numbers, predictions: Sequence[Numbers], seed: int
) -> list[dict[str, NDArray[np.float64]]]:
    """Return the metrics of very many rows in each draw, for each prediction, without drawing rows.

    All are functions of means: of errors, of products, and of products of ranks, to which a row adds what it
    moves the ranks of others, too (Hájek 1968).
    """
    parts = [
        part
        for predicted in predictions
        for part in (_summands_of_many(*as_columns(gold, predicted)), _rank_summands(*as_columns(gold, predicted)))
    ]
    means = normal_means(lambda some: np.concatenate([part(some) for part in parts], axis=1), len(gold), seed)
    drawn = np.split(means, len(predictions), axis=1)
    return [{**_moment_metrics(own[:, :-3]), "spearman": _correlation(*own[:, -3:].T)} for own in drawn]


SomeRows = Callable[[slice], NDArray[np.float64]]
"""Gives some rows of figures that are not held all at once, (rows, K)."""


def normal_means(rows: SomeRows, n: int, seed: int) -> NDArray[np.float64]:
    """Return the means of figures of very many rows in each draw, (draws, K): of so many rows they are normal.

    Args:
        rows: gives the figures of some rows.
        n: how many rows there are.
        seed: sets the draws.
    """
    parts = [slice(start, min(n, start + _CHUNK // 4)) for start in range(0, n, _CHUNK // 4)]
    means: NDArray[np.float64] = np.sum([rows(some).sum(axis=0) for some in parts], axis=0) / n
    spread = np.zeros((len(means), len(means)))
    for some in parts:
        off = rows(some) - means
        spread += off.T @ off / n
    # What differs by rounding alone has no direction of its own.
    scale = np.sqrt(np.where(np.diag(spread) > 1e-20 * np.square(means), np.diag(spread), 0.0))
    spread *= np.outer(scale > 0.0, scale > 0.0)
    units = np.where(scale > 0.0, scale, 1.0)
    values, vectors = np.linalg.eigh(spread / np.outer(units, units))
    # Which way an eigenvector points is left to the last bit: each points where its largest number is positive.
    vectors *= np.sign(np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0))
    drawn = np.random.default_rng(seed).standard_normal((RESAMPLES, len(means)))
    normal = drawn @ (vectors * np.sqrt(np.where(values > _ROUNDING, values, 0.0))).T
    return np.asarray(means + normal * scale / np.sqrt(n))


def _rank_summands(true: NDArray[np.float64], given: NDArray[np.float64]) -> SomeRows:
    """Give what each row adds to the means of rank times rank: of both, of the first, of the second; (rows, 3)."""
    n = len(true)
    first, second = (
        row_by_row(lambda rank: rank / n - (n + 1) / (2 * n), average_ranks(values), kind="float64")
        for values in (true, given)
    )
    both, own, other = (2 * (a @ b) / n for a, b in ((first, second), (first, first), (second, second)))
    above_true, above_given = _above(true, (first, second)), _above(given, (first, second))

    def rows(some: slice) -> NDArray[np.float64]:
        a, b = first[some], second[some]
        mixed = a * b + above_true[1][some] + above_given[0][some] - both
        squares = (a**2 + 2 * above_true[0][some] - own, b**2 + 2 * above_given[1][some] - other)
        return np.stack([mixed, *squares], axis=1)

    return rows


def _above(values: NDArray[np.float64], columns: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Return for each row the mean over all rows of a column where the value is larger, and half where it is equal."""
    n, every = len(values), ascending(values)
    place = row_by_row(every.searchsorted, values, kind="int64")  # of a value's first
    found = []
    for added in columns:
        sums, behind = scratch_array((n,), "float64"), scratch_array((n,), "float64")
        for start in range(0, n, _CHUNK):
            np.add.at(sums, place[start : start + _CHUNK], added[start : start + _CHUNK])
        np.cumsum(sums[::-1], out=behind[::-1])
        found.append(row_by_row(lambda own, s=sums, b=behind: (b[own] - s[own] / 2.0) / n, place, kind="float64"))
    return found


def _summands(true: NDArray[np.float64], given: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each row adds to the sums that errors and Pearson's correlation are made of, (rows, 7)."""
    return _summands_of_many(true, given)(slice(None))


def _summands_of_many(true: NDArray[np.float64], given: NDArray[np.float64]) -> SomeRows:
    """Give the rows of `_summands`."""
    columns = (true, given, _standardised(true), _standardised(given))

    def rows(some: slice) -> NDArray[np.float64]:
        gold, predicted, x, y = (column[some] for column in columns)
        error = gold - predicted
        return np.stack([np.square(error), np.abs(error), x, y, x * x, y * y, x * y], axis=1)

    return rows


def _moment_metrics(means: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    square, absolute, x, y, xx, yy, xy = means.T  # (draws) each
    return {"mse": square, "mae": absolute, "pearson": _correlation(xy - x * y, xx - x**2, yy - y**2)}


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values with mean 0 and standard deviation 1; a constant becomes zeros."""
    found = centred(values)
    if not found.any():
        return found
    mean = found.mean()
    deviation = np.sqrt(row_by_row(lambda own: np.square(own - mean), found, kind="float64").mean())
    return row_by_row(lambda own: own / deviation, found, kind="float64")


def _ranker(values: NDArray[np.float64]) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Prepare to rank `values` anew where each stands `times` times; ranks less their mean."""
    order = np.argsort(values, kind="stable")
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes) - 1

    def ranks(times: NDArray[np.float64]) -> NDArray[np.float64]:
        # np.take, because indexing columns of a matrix is several times slower
        ends = np.take(np.cumsum(np.take(times, order, axis=1), axis=1), last, axis=1)  # (draws, distinct)
        middle = ends - times.shape[1]
        middle[:, 1:] += ends[:, :-1]
        return np.take(middle / 2.0, group, axis=1)

    return ranks


def _rank_correlation(
    times: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    weighted = times * first
    covariance = np.einsum("dr,dr->d", weighted, second)
    of_first = np.einsum("dr,dr->d", weighted, first)
    np.multiply(times, second, out=weighted)
    return _correlation(covariance, of_first, np.einsum("dr,dr->d", weighted, second))


def _correlation(
    covariance: NDArray[np.float64], of_first: NDArray[np.float64], of_second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return correlations; 0.0 where a draw holds one value only, its variance being rounding at most."""
    first, second = (np.where(variance > _ROUNDING, variance, 0.0) for variance in (of_first, of_second))
    return bounded(ratio(covariance, np.sqrt(first) * np.sqrt(second)))
