"""`python -m macsql.audit [key=value ...]`: can this model's tokenizer and window represent this data at all?

audit.out=FILE leaves the figures as JSON, an object per agent; audit.fail_below=X refuses where an agent's exact match
cannot reach X, whatever is trained.
"""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from macsql.app import command
from macsql.config import Config
from macsql.needs import check_numbers
from macsql.system.files import apart, check_output, write_output

if TYPE_CHECKING:
    from rich.table import Table

    from macsql.factory.prepared import Prepared
    from macsql.training.audit import AuditReport, FieldAudit


@command
def main(config: Config) -> int:
    """Audit every example of every split; exit code 1 where audit.fail_below refuses."""
    out = Path(config.audit.out).expanduser() if config.audit.out else None
    if out is not None:
        check_output("audit.out", out)
    prepared, report = audit(config)
    if out is not None:
        figures = report.as_dict()
        for agent, told in figures.items():
            told["links"] = {split: agents[agent] for split, agents in prepared.links.items() if agent in agents}
        write_output("audit.out", out, [json.dumps(figures, indent=1, ensure_ascii=False) + "\n"])
    with apart(out):
        _show(report, prepared, config)
    report.refuse_below(config.audit.fail_below)
    return 0


def audit(config: Config) -> "tuple[Prepared, AuditReport]":
    """A configuration's examples, made where they are not on disk yet, and their audit."""
    from rich.console import Console

    from macsql import corpora
    from macsql.factory.prepared import prepare
    from macsql.models import families
    from macsql.records import SPLITS
    from macsql.training.audit import audit_examples, check_ceiling

    corpora.check(config.data)
    check_ceiling(config.audit.fail_below)
    check_numbers(config, "generation", "metrics")
    families.check(config.model, weights=False)
    prepared = prepare(config)
    examples = {split: prepared.examples(split) for split in SPLITS}
    rows = [row for split in SPLITS for row in examples[split]]
    with Console(stderr=True).status("tokenising and counting the examples"):
        text = families.text_of(config, examples["train"])
        return prepared, audit_examples(rows, text, config.generation.max_new_tokens)


def _show(report: "AuditReport", prepared: "Prepared", config: Config) -> None:
    import sys

    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    for warning in prepared.warnings:
        console.print(f"Warning: {warning}", markup=False, soft_wrap=True)
    console.print(_table(report, config))
    if prepared.links:
        console.print(_links(prepared))
    for warning in report.warnings():
        console.print(f"Warning: {warning}", markup=False, soft_wrap=True)
    for line in prepared.left_out:
        console.print(f"Left out before the audit: {line}", markup=False, soft_wrap=True)
    for note in prepared.about["notes"]:
        console.print(f"Note: {note}", markup=False, soft_wrap=True)
    if not report.warnings():
        rows = " of the rows that were read" if prepared.left_out else ""
        console.print(f"Nothing is lost{rows}: every answer can be written and every question is read.")


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
