"""Document 000: with separable convolutions accuracy is similar to that with normal ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.claims import statistics
from edgecnn.claims.record import ANSWERS, Detail, Verdict
from edgecnn.claims.sources import listed, missing, number, untestable
from edgecnn.evidence.files import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgecnn.claims.record import Number, Outcome
    from edgecnn.claims.statistics import Difference, Standing
    from edgecnn.evidence.files import Evidence
    from edgecnn.evidence.records import RecipeRun, TwinRun, Twins

MARGIN = 0.01
"""One percentage point: what "pretty similar" may hide. Between Xception and Inception v3, one of
which "outperforms" the other in the same document, lie 1.1 points of top-1."""
_SEEDS = 2
_TEN = 10
_IN_FAVOUR: tuple[Standing, ...] = ("similar", "better", "no worse")


@dataclass(frozen=True)
class Comparison:
    """A separable network beside one of its twins with normal convolutions."""

    network: str
    match: str
    separable: tuple[float, ...]
    normal: tuple[float, ...]
    macs_ratio: float
    parameters_ratio: float
    difference: Difference

    @property
    def standing(self) -> Standing:
        """Of the separable network."""
        return self.difference.standing(MARGIN)


def judge(evidence: Evidence) -> Verdict:
    """Compare twins at equal widths and at equal parameters, over seeds."""
    record = evidence.twins
    if record is None:
        return missing("twins")
    pairs = list(comparisons(record))
    if not pairs:
        return untestable("twins.json holds no two twins of two seeds or more.", "twins")
    outcome, costlier = _outcome(pairs), list(_costlier(record))
    if outcome == "holds" and costlier:
        outcome = "holds with conditions"
    return Verdict(
        outcome=outcome,
        headline=_headline(outcome, pairs),
        summary=" ".join(map(_sentence, pairs)),
        conditions=(*_conditions(pairs), *costlier) if outcome == "holds with conditions" else (),
        numbers=(*_runs(record), *_recipe_numbers(record)),
        caveats=tuple(_caveats(record, pairs, outcome)),
        details=tuple(_costs(record)),
    )


def comparisons(record: Twins) -> Iterator[Comparison]:
    """Every separable network of several seeds with every twin of several."""
    names = dict.fromkeys(run.network for run in record.runs)
    for name in names:
        separable_runs = [
            run for run in record.runs if run.network == name and run.match == "itself"
        ]
        for match in dict.fromkeys(run.match for run in record.runs if run.match != "itself"):
            normal_runs = [run for run in record.runs if run.network == name and run.match == match]
            if min(len(separable_runs), len(normal_runs)) < _SEEDS:
                continue
            separable = tuple(run.accuracy for run in separable_runs)
            normal = tuple(run.accuracy for run in normal_runs)
            yield Comparison(
                network=name,
                match=match,
                separable=separable,
                normal=normal,
                macs_ratio=separable_runs[0].macs / normal_runs[0].macs,
                parameters_ratio=separable_runs[0].parameters / normal_runs[0].parameters,
                difference=statistics.welch(separable, normal),
            )


def _outcome(pairs: Sequence[Comparison]) -> Outcome:
    """Holds where every interval rules out a loss of the margin; undecided ones decide nothing."""
    standings = [pair.standing for pair in pairs]
    if all(standing in _IN_FAVOUR for standing in standings):
        return "holds"
    if any(standing in _IN_FAVOUR for standing in standings):
        return "holds with conditions"
    if "worse" in standings:
        return "fails"
    return "not testable here"


def _conditions(pairs: Sequence[Comparison]) -> Iterator[str]:
    for pair in pairs:
        what = f"{pair.network} against its twin of {pair.match}"
        if pair.standing == "worse":
            yield f"not {what}: worse by more than {100 * MARGIN:g} point"
        elif pair.standing not in _IN_FAVOUR:
            yield f"not decided: {what} ({_undecided(pair)})"


def _headline(outcome: Outcome, pairs: Sequence[Comparison]) -> str:
    """Where it is as accurate, where less, and where nobody knows yet."""
    parts = {
        "as accurate as": [pair for pair in pairs if pair.standing in _IN_FAVOUR],
        "less accurate than": [pair for pair in pairs if pair.standing == "worse"],
        "not decided against": [
            pair for pair in pairs if pair.standing not in {*_IN_FAVOUR, "worse"}
        ],
    }
    phrases = [
        f"{words} {listed([_twin(pair) for pair in group])}"
        for words, group in parts.items()
        if group
    ]
    return f"{ANSWERS[outcome]}: with separable convolutions it is {'; '.join(phrases)}."


def _twin(pair: Comparison) -> str:
    return f"{pair.network}'s twin of {pair.match}"


def _undecided(pair: Comparison) -> str:
    """How large a loss is ruled out now and by ten seeds, and how many would settle the margin."""
    accuracies = pair.separable, pair.normal
    ten = statistics.foreseen(*accuracies, _TEN)
    now_points, ten_points = (max(0.0, -100 * gap.low) for gap in (pair.difference, ten))
    needed = statistics.seeds_to_decide(*accuracies, MARGIN)
    many = "more than 1,000" if needed is None else f"about {needed}"
    return (
        f"a loss of more than {now_points:.2f} points is ruled out; {_TEN} seeds of this spread"
        f" would rule out more than {ten_points:.2f}, and {many} would decide about"
        f" {100 * MARGIN:g}"
    )


def _sentence(pair: Comparison) -> str:
    gap = pair.difference
    return (
        f"{pair.network} at {pair.match}: {_percent(pair.separable)} separable,"
        f" {_percent(pair.normal)} normal, a difference of {100 * gap.mean:+.2f} points"
        f" ({100 * gap.low:+.2f} to {100 * gap.high:+.2f}: {_standing_text(pair.standing)}) for"
        f" {pair.macs_ratio:.2f} of the multiplications and {pair.parameters_ratio:.2f} of the"
        " parameters."
    )


def _standing_text(standing: Standing) -> str:
    words: dict[Standing, str] = {
        "no better": "a loss of the margin is not ruled out",
        "undecided": "nothing is ruled out",
    }
    return words.get(standing, standing)


def _percent(values: Sequence[float]) -> str:
    return (
        f"{100 * statistics.mean(values):.2f}% (sd {100 * statistics.spread(values):.2f},"
        f" {len(values)} seeds)"
    )


def _caveats(record: Twins, pairs: Sequence[Comparison], outcome: Outcome) -> Iterator[str]:
    budgets = [
        f"{run.network} {run.training_samples:,} images for {run.epochs}"
        f" epoch{'s' if run.epochs > 1 else ''}, tested on {run.test_samples:,}"
        for run in {run.network: run for run in record.runs}.values()
    ]
    yield (
        f"Trained on {record.data}: {'; '.join(budgets)}. A small data set and a brief training,"
        " not ImageNet."
    )
    yield (
        "Similar: the 90% interval of the difference (Welch) lies within"
        f" {100 * MARGIN:g} percentage point either way, which is two one-sided tests at 5%."
    )
    best = max(max(statistics.mean(pair.normal), statistics.mean(pair.separable)) for pair in pairs)
    yield (
        f"The most accurate of these networks has {100 * best:.1f}% in float: none was trained"
        " until it stopped gaining, and the difference may then be another."
    )
    if outcome == "not testable here":
        yield f"More seeds would decide: `{command('twins')}`."
    if len({pair.network for pair in pairs}) == 1:
        yield f"One network was tried: {pairs[0].network}."


def _costs(record: Twins) -> Iterator[Detail]:
    """What each recipe costs each network, on average over seeds."""
    kinds = dict.fromkeys((run.network, run.convolution, run.match) for run in record.recipes)
    for network, convolution, match in kinds:
        runs = [
            run
            for run in record.recipes
            if (run.network, run.convolution, run.match) == (network, convolution, match)
        ]
        twin = "" if match == "itself" else f" ({match})"
        for recipe in dict.fromkeys(run.recipe for run in runs if run.recipe != "float32"):
            cost = 100 * _cost([run for run in runs if run.recipe == recipe])
            label = f"{network}, {convolution}{twin}, {recipe}"
            yield Detail("Recipes against float", label, cost, "points", kind="measured")


def _costlier(record: Twins) -> Iterator[str]:
    """Recipes that take a margin more from the separable network than from a twin."""
    for name in dict.fromkeys(run.network for run in record.recipes):
        of_name = [run for run in record.recipes if run.network == name]
        for recipe, match in dict.fromkeys(
            (run.recipe, run.match) for run in of_name if run.match != "itself"
        ):
            alike = [run for run in of_name if run.recipe == recipe]
            separable = [run for run in alike if run.match == "itself"]
            normal = [run for run in alike if run.match == match]
            if separable and _cost(separable) < _cost(normal) - MARGIN:
                yield (
                    f"not in {recipe}, which costs {name} {100 * _cost(separable):+.2f} points, and"
                    f" its twin of {match} {100 * _cost(normal):+.2f}"
                )


def _cost(runs: Sequence[RecipeRun]) -> float:
    return statistics.mean([run.accuracy - run.float_accuracy for run in runs])


def _runs(record: Twins) -> Iterator[Number]:
    for index, run in enumerate(record.runs):
        entry, header = f"runs[{index}]", record.header
        yield number(f"accuracy, {_named(run)}", run.accuracy, "1", "measured", header, entry)
        yield number(f"MACs, {_named(run)}", run.macs, "MACs", "counted", header, entry)
        yield number(
            f"parameters, {_named(run)}", run.parameters, "parameters", "counted", header, entry
        )


def _recipe_numbers(record: Twins) -> Iterator[Number]:
    for index, run in enumerate(record.recipes):
        entry, header = f"recipes[{index}]", record.header
        name = f"{run.recipe}, {_named(run)}"
        yield number(f"accuracy, {name}", run.accuracy, "1", "measured", header, entry)
        if run.snr_db is not None:
            yield number(f"SNR, {name}", run.snr_db, "dB", "measured", header, entry)
        yield number(f"size, {name}", run.size_bytes, "bytes", "measured", header, entry)
        if run.latency_ms is not None:
            yield number(f"latency, {name}", run.latency_ms, "ms", "measured", header, entry)


def _named(run: TwinRun | RecipeRun) -> str:
    twin = "" if run.match == "itself" else f" ({run.match})"
    return f"{run.network}, {run.convolution}{twin}, seed {run.seed}"
