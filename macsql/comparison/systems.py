"""Whole systems by their published figures, and this sweep's best setting where it was tested on the same benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from macsql.comparison.evaluated import Evaluated
from macsql.comparison.published import CORPORA, PARTS, Benchmark, System
from macsql.comparison.reasons import POSTER_BASE
from macsql.comparison.settings import TriedSetting
from macsql.comparison.side_by_side import Figure, Origin, measured_figure

AS_PUBLISHED = "as its authors report it"  # the protocol of a figure that others have published
OURS: Mapping[Benchmark, str] = {  # what of ours is measured by the same rule on the same questions
    Benchmark("spider", "dev", "ex"): "decomposer/execution_accuracy",
    Benchmark("spider", "dev", "spider_em"): "decomposer/spider_em",
    Benchmark("geoquery", "question", "exact_match"): "decomposer/exact_match",
    Benchmark("geoquery", "query", "exact_match"): "decomposer/exact_match",
}
SIZES = {("geoquery", "question"): 279, ("geoquery", "query"): 182}  # test sentences that the published figures are of
GEOQUERY = "geography"  # as text2sql-data calls it


@dataclass(frozen=True)
class SystemFigures:
    """A system with a figure for each of the benchmarks that are known of any."""

    name: str
    model: str
    on_poster: bool
    figures: Mapping[Benchmark, Figure]
    note: str
    hub_id: str | None = None


END_TO_END = {  # (corpus, rule) -> our protocol
    ("spider", "ex"): "spider-ex",
    ("spider", "spider_em"): "spider-em",
    ("bird", "ex"): "bird-ex",
    ("bird", "ves"): "bird-ves",
    ("geoquery", "ex"): "spider-ex",
    ("pocket", "ex"): "spider-ex",
}
QUESTIONS = {("spider", "dev"): 1034, ("bird", "dev"): 1534}  # of a benchmark's part as it is published


def systems_with_ours(
    systems: Sequence[System], best: TriedSetting | None, evaluated: Sequence[Evaluated] = ()
) -> list[SystemFigures]:
    """The systems with their published figures, and ours: the three agents end to end where they were evaluated, and
    our best setting where it was tested on one of these benchmarks.
    """
    benchmarks = list(dict.fromkeys(benchmark for system in systems for benchmark in system.figures))
    if systems:
        benchmarks += dict.fromkeys(own for one in evaluated for own in _own_benchmark(one) if own not in benchmarks)
    rows = []
    for system in systems:
        figures = {
            benchmark: Figure(
                Origin.PUBLISHED,
                system.figures[benchmark],
                protocol=AS_PUBLISHED,
                data=benchmark.title,
                model=system.model,
                note=system.source,
            )
            if benchmark in system.figures
            else Figure(Origin.NONE, note="not published")
            for benchmark in benchmarks
        }
        rows.append(SystemFigures(system.name, system.model, system.on_poster, figures, system.note, system.hub_id))
    if systems and best is not None:
        rows = _with_own(rows, benchmarks, best)
    return [*rows, *(_end_to_end(benchmarks, one) for one in evaluated)] if systems else rows


def _own_benchmark(one: Evaluated) -> list[Benchmark]:
    """What an evaluation was asked, scored by EX, where that has a name; nobody else need have published it."""
    known = one.corpus in CORPORA and one.part in PARTS and (one.corpus, "ex") in END_TO_END
    return [Benchmark(one.corpus, one.part, "ex")] if known else []


def on_benchmarks(evaluated: Sequence[Evaluated], systems: Sequence[System]) -> list[Evaluated]:
    """Of the evaluations with a figure for a published benchmark, the newest of each set of seats without gold SQL."""
    known = {(benchmark.corpus, benchmark.part) for system in systems for benchmark in system.figures}
    newest = {(one.name, one.corpus, one.part): one for one in evaluated if one.cell == "model" and not one.knows_gold}
    return [one for one in newest.values() if (one.corpus, one.part) in known]


def _end_to_end(benchmarks: Sequence[Benchmark], one: Evaluated) -> SystemFigures:
    """All three agents of ours, on what was asked of a benchmark."""
    figures = {}
    for benchmark in benchmarks:
        protocol = END_TO_END.get((benchmark.corpus, benchmark.rule), "")
        if (one.corpus, one.part) != (benchmark.corpus, benchmark.part) or protocol not in one.scores:
            figures[benchmark] = Figure(Origin.NONE, note=f"evaluated on {one.corpus} {one.part}")
            continue
        percent, count = 100 * one.scores[protocol], one.judged[protocol]
        whole = QUESTIONS.get((benchmark.corpus, benchmark.part), count)
        of = f"{count}" if count == whole else f"{count} of {whole}"
        figures[benchmark] = Figure(
            Origin.MEASURED,
            percent,
            f"{percent:.4g} (n = {of})",
            protocol=protocol,
            data=f"{benchmark.title}, fingerprint {one.fingerprint}",
            model=one.name,
            answers=str(count),
        )
    note = f"All three agents, macsql.evaluate {one.key}, code {one.code}."
    if all(figure.value is None for figure in figures.values()):
        note += f" Not applicable: evaluated on {one.corpus} {one.part}, which is none of these benchmarks."
    return SystemFigures(f"end to end: {one.name}", one.name, False, figures, note)


def _with_own(rows: list[SystemFigures], benchmarks: Sequence[Benchmark], setting: TriedSetting) -> list[SystemFigures]:
    """Our best setting in the row of the poster's own system where it is that model, else in a row of its own."""
    own = _own(benchmarks, setting)
    model = setting.trials[0].config.model
    if model.hub_id != POSTER_BASE or model.path is not None:
        return [*rows, own]
    return [
        replace(row, figures={key: _known(own.figures[key], row.figures[key]) for key in benchmarks}, note=own.note)
        if row.on_poster and row.hub_id == model.hub_id
        else row
        for row in rows
    ]


def _is_of(setting: TriedSetting, benchmark: Benchmark) -> bool:
    """Whether a setting was tested on questions of a benchmark, in its published parts."""
    data = setting.trials[0].config.data
    if benchmark.corpus != "geoquery":
        return data.format == benchmark.corpus and data.split_by == "published"
    examples = setting.trials[0].examples
    part = "query" if data.split_by == "query" else "question"
    return (
        data.format == "text2sql"
        and examples is not None
        and (examples.about.get("corpus"), part)
        == (
            GEOQUERY,
            benchmark.part,
        )
    )


def _known(measured: Figure, published: Figure) -> Figure:
    return measured if measured.value is not None else published


def _own(benchmarks: Sequence[Benchmark], setting: TriedSetting) -> SystemFigures:
    """Our best setting: its Decomposer alone, where it was tested on one of these benchmarks, whole."""
    config = setting.trials[0].config
    limited = config.data.limit is not None or config.generation.limit is not None
    figures = {}
    for benchmark in benchmarks:
        metric = OURS.get(benchmark) if _is_of(setting, benchmark) else None
        found = measured_figure(setting, metric) if metric else None
        if found is None or found.value is None:
            figures[benchmark] = Figure(Origin.NONE, note=f"tested on data={config.data.format}")
        elif limited:
            note = "tested on a few of its questions (data.limit, generation.limit)"
            figures[benchmark] = Figure(Origin.NONE, note=note)
        else:
            percent = 100 * found.value
            seeds = f"{found.seeds} seed{'' if found.seeds == '1' else 's'}"
            size = SIZES.get((benchmark.corpus, benchmark.part), 0)
            part = f", other than the {size} of the published figures" if str(size) not in ("0", found.answers) else ""
            if benchmark.rule == "exact_match" and config.agents.sql == "plain":
                part += ", of SQL written plainly"  # the published figures are of the collection's own text
            text = f"{percent:.4g} (n = {found.answers}{part}, {seeds})"
            figures[benchmark] = replace(found, value=percent, text=text, data=benchmark.title)
    note = "The Decomposer alone, not the three agents end to end."
    missing = dict.fromkeys(figure.note for figure in figures.values() if figure.value is None)
    if len(missing) == 1 and all(figure.value is None for figure in figures.values()):
        note = f"{note} Not applicable: {next(iter(missing))}, which is none of these benchmarks as published."
    return SystemFigures("this sweep's best", setting.trials[0].model, False, figures, note)
