"""(d) Scores: execution accuracy on the training questions, ours (a sandbox) beside the official rules written down.

About half of the predictions are gold, the others the broken SQL that the Refiner's examples hold. Ours runs them in
a process that may only read and has limits on time and memory; the other one runs them unprotected.
"""

import argparse
import json
import time
from pathlib import Path

from experiments.bench.material import Material
from experiments.bench.measure import Job, python

CONTENDERS = ("ours", "official_rules")
PAIRS = 2000


def jobs(material: Material) -> list[Job]:
    """Both ways to judge."""
    words = ["--material", str(material.folder), *(["--small"] if material.small else [])]
    return [Job("d", "spider-ex", contender, python("scoring", contender, *words)) for contender in CONTENDERS]


def pairs(material: Material, count: int) -> list[tuple[str, str, str]]:
    """(database, gold SQL, predicted SQL)."""
    rows = material.examples("train")
    told = [(row.db_id, row.gold_sql, row.broken_sql or row.gold_sql) for row in rows if row.agent != "selector"]
    return list(dict.fromkeys(told))[:count]  # each once: ours remembers what it has run


def main() -> None:
    """One way to judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--material", type=Path, required=True)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    material = Material(given.material, given.small)
    files = json.loads((material.folder / "databases.json").read_text(encoding="utf-8"))
    asked = pairs(material, 60 if given.small else PAIRS)
    if given.contender == "ours":
        from macsql.database.sandbox import Sandbox
        from macsql.protocols.bench import Bench, Options, Pair
        from macsql.protocols.spider.ex import execution_match

        rows = [Pair(place, db, gold, pred) for place, (db, gold, pred) in enumerate(asked)]
        known: dict[str, tuple[Path, ...]] = {name: (Path(file),) for name, file in files.items()}
        started = time.perf_counter()
        with Sandbox(1) as sandbox:
            bench = Bench(Path(), sandbox, Options(), known_files=known)
            found = [score.value is True for score in execution_match(rows, bench)]
    else:
        from experiments.bench.stock_scoring import right

        started = time.perf_counter()
        found = [right(files[db], gold, pred) for db, gold, pred in asked]
    seconds = time.perf_counter() - started
    print(json.dumps({"pairs_per_second": len(asked) / seconds, "right": sum(found), "pairs": len(asked)}))


if __name__ == "__main__":
    main()
