"""`python -m macsql.audit [key=value ...]`: can this model's tokenizer and window represent this data at all?

Sweep expressions (model=t5_small,smollm2) and an experiment's search space audit several models in one table.
audit.out=FILE leaves the figures as JSON, an object per agent; audit.fail_below=X refuses where an agent's exact match
cannot reach X, whatever is trained.
"""

import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from macsql.app import command
from macsql.config import Config
from macsql.needs import check_numbers
from macsql.system.files import apart, check_output, write_output
from macsql.system.streams import guarded

if TYPE_CHECKING:
    from rich.table import Table

    from macsql.factory.prepared import Prepared
    from macsql.search.space import Setting
    from macsql.training.audit import AgentAudit, AuditReport, FieldAudit

DECIDE = ("data", "agents", "codec", "model", "generation")  # groups that an audit hangs on


@dataclass(frozen=True)
class Audited:
    """One model on one set of examples."""

    setting: "Setting"  # empty where there is but one
    config: Config
    prepared: "Prepared"
    report: "AuditReport"

    def figures(self) -> dict[str, dict[str, Any]]:
        """Agent -> its figures, ready for JSON."""
        told = self.report.as_dict()
        for agent, figures in told.items():
            links = self.prepared.links
            figures["links"] = {split: agents[agent] for split, agents in links.items() if agent in agents}
        return told


def main() -> None:
    """The command line: sweep expressions become axes, then Hydra composes."""
    if code := guarded(_take_axes):
        sys.exit(code)
    run()


def _take_axes() -> None:
    from macsql.search.space import axes_as_overrides

    sys.argv[1:] = axes_as_overrides(sys.argv[1:])


@command
def run(config: Config) -> int:
    """Audit every example of every split; exit code 1 where audit.fail_below refuses."""
    out = Path(config.audit.out).expanduser() if config.audit.out else None
    if out is not None:
        check_output("audit.out", out)
    audited = audit(config)
    if out is not None:
        told: Any = [{"setting": each.setting, "agents": each.figures()} for each in audited]
        told = told if len(audited) > 1 else audited[0].figures()
        write_output("audit.out", out, [json.dumps(told, indent=1, ensure_ascii=False) + "\n"])
    with apart(out):
        _show(audited)
    for each in audited:
        each.report.refuse_below(config.audit.fail_below)
    return 0


def audit(config: Config) -> list[Audited]:
    """The audit of every setting on examples that are made where they are not on disk yet; all are checked first."""
    from rich.console import Console

    from macsql import corpora
    from macsql.factory.prepared import prepare
    from macsql.models import families
    from macsql.records import SPLITS
    from macsql.training.audit import audit_examples, check_ceiling

    check_ceiling(config.audit.fail_below)
    asked = _settings(config)
    for _, each in asked:
        corpora.check(each.data)
        check_numbers(each, "generation", "metrics")
        families.check(each.model, weights=False)
    made: dict[str, Prepared] = {}
    audited = []
    for setting, each in asked:
        key = repr((each.data, each.agents))
        prepared = made[key] if key in made else made.setdefault(key, prepare(each))
        examples = {split: prepared.examples(split) for split in SPLITS}
        rows = [row for split in SPLITS for row in examples[split]]
        with Console(stderr=True).status("tokenising and counting the examples"):
            text = families.text_of(each, examples["train"])
            name = each.model.name if len(asked) > 1 else ""
            report = audit_examples(rows, text, each.generation.max_new_tokens, name)
        audited.append(Audited(setting, each, prepared, report))
    return audited


def _settings(config: Config) -> "list[tuple[Setting, Config]]":
    """The settings of the search space, as far as an audit hangs on them; the configuration alone where there are none.

    Raises UserError for an axis without single values.
    """
    from hydra.core.hydra_config import HydraConfig

    from macsql.search.plan import with_setting
    from macsql.search.space import read_settings, read_space
    from macsql.search.study import fixed_settings

    def decides(key: str) -> bool:
        return key.partition(".")[0] in DECIDE

    space = {key: axis for key, axis in read_space(config.search.space).items() if decides(key)}
    points: list[dict[str, Any]] = [
        {key: value for key, value in setting.items() if decides(key)}
        for setting in read_settings(config.search.points)
    ]
    points = [point for place, point in enumerate(points) if point and point not in points[:place]]
    search = dataclasses.replace(config.search, sampler="grid", n_trials=None, points=points)
    settings = fixed_settings(search, space)
    if not settings:
        return [({}, config)]
    overrides = tuple(HydraConfig.get().overrides.task)
    return [(setting, with_setting(config, overrides, setting)) for setting in settings]


def _show(audited: Sequence[Audited]) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    sets = {str(each.prepared.folder): each for each in audited}.values()  # each set of examples once
    for sentence in dict.fromkeys(warning for each in sets for warning in each.prepared.warnings):
        console.print(f"Warning: {sentence}", markup=False, soft_wrap=True)
    console.print(_table(audited[0].report, audited[0].config) if len(audited) == 1 else _side_by_side(audited))
    for each in sets:
        if each.prepared.links:
            console.print(_links(each.prepared))
    warnings = [sentence for each in audited for sentence in each.report.warnings()]
    for sentence in dict.fromkeys(warnings if len(audited) == 1 else ()):  # several: the table says it
        console.print(f"Warning: {sentence}", markup=False, soft_wrap=True)
    for line in dict.fromkeys(line for each in sets for line in each.prepared.left_out):
        console.print(f"Left out before the audit: {line}", markup=False, soft_wrap=True)
    for note in dict.fromkeys(note for each in sets for note in each.prepared.about["notes"]):
        console.print(f"Note: {note}", markup=False, soft_wrap=True)
    if not warnings:
        rows = " of the rows that were read" if any(each.prepared.left_out for each in sets) else ""
        console.print(f"Nothing is lost{rows}: every answer can be written and every question is read.")


def _side_by_side(audited: Sequence[Audited]) -> "Table":
    """A row per agent and setting; what the settings differ in stands in front."""
    from rich.table import Table

    from macsql.records import AGENTS
    from macsql.training.audit import percent

    keys = list(dict.fromkeys(key for each in audited for key in each.setting))
    if {"model", "model.name"} & {*keys}:  # which tells them apart already
        keys = [key for key in keys if key != "model.path"]
    caption = "ceiling: the highest exact match that any model could reach"
    table = Table(title="what each model can represent", caption=caption)
    table.add_column("agent")
    for key in keys:
        table.add_column(key.removesuffix(".name"), overflow="fold")
    names = ("rows", "unknown\ntokens", "prompt:\nmean", "\nmost", "\nwindow", "rows\ncut", "question\noutside")
    for name in (*names, "ceiling"):
        table.add_column(name, justify="right")

    def figures(audit: "AgentAudit") -> list[str]:
        source, seen = audit.source, audit.question_in_window
        outside = "unknown" if seen is None else percent(1 - seen)
        sizes = [f"{source.mean_tokens:.0f}", str(source.longest), str(source.window)]
        return [percent(audit.unknown_tokens), *sizes, percent(audit.truncated), outside]

    for agent in AGENTS:
        for each in audited:
            for found in each.report.agents:
                if found.agent == agent:
                    values = [str(each.setting.get(key, "")) for key in keys]
                    ceiling = percent(found.exact_match_ceiling)
                    table.add_row(agent, *values, str(found.rows), *figures(found), ceiling)
        table.add_section()
    return table


def _table(report: "AuditReport", config: Config) -> "Table":
    """Two rows per agent, source and target; what belongs to the agent as a whole stands in the first."""
    from rich.table import Table

    from macsql.training.audit import percent

    style = "" if config.data.format == "chat" else f"agents={config.agents.style} "  # chat brings its own prompts
    title = f"data={config.data.format} {style}codec={report.codec} model={config.model.name}"
    table = Table(title=title, caption="ceiling: the highest exact match that any model could reach")
    table.add_column("agent")
    table.add_column("field")
    for name in ("rows", "unknown\ntokens", "round-trip\nloss", "tokens:\nmean", "\nmost", "\nwindow", "\ncut"):
        table.add_column(name, justify="right")
    table.add_column("question\nin window", justify="right")
    table.add_column("ceiling", justify="right")

    def figures(field: "FieldAudit") -> list[str]:
        sizes = [f"{field.mean_tokens:.0f}", str(field.longest), str(field.window)]
        return [percent(field.unknown_tokens), percent(field.round_trip_loss), *sizes, percent(field.truncated)]

    for audit in report.agents:
        seen = "unknown" if audit.question_in_window is None else percent(audit.question_in_window)
        table.add_row(audit.agent, "source", str(audit.rows), *figures(audit.source), seen, "")
        ceiling = percent(audit.exact_match_ceiling)
        table.add_row("", "target", "", *figures(audit.target), "", ceiling, end_section=True)
    return table


def _links(prepared: "Prepared") -> "Table":
    """A row per split: how many prompts show values that their question names, and those of the gold SQL."""
    from rich.table import Table

    from macsql.database.linking import KINDS
    from macsql.training.audit import percent

    caption = "of the questions and databases alone, never of the gold SQL; here compared with its text values"
    table = Table(title="values that a question names (agents.value_links)", caption=caption)
    table.add_column("split")
    for name in ("prompts", "with\nlinks", "links\nper prompt", "gold\nvalues", "linked at\ntheir column", *KINDS):
        table.add_column(name, justify="right")
    table.add_column("prompts with\nall linked", justify="right")
    for split, agents in prepared.links.items():
        counts: Counter[str] = Counter()
        for told in agents.values():
            counts.update(told)
        prompts, wanted, asked = counts["prompts"], counts["gold_values"], counts["prompts_with_gold_values"]
        kinds = [counts[f"linked_{kind}"] for kind in KINDS]
        table.add_row(
            split,
            str(prompts),
            percent(counts["prompts_with_links"] / prompts),
            f"{counts['links'] / prompts:.2f}",
            str(wanted),
            percent(sum(kinds) / wanted) if wanted else "",
            *map(str, kinds),
            percent(counts["prompts_with_all_linked"] / asked) if asked else "",
        )
    return table


if __name__ == "__main__":
    main()
