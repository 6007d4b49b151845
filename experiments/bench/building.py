"""(e) The agents' examples from questions, gold SQL and databases: seconds per thousand questions.

There is nothing to compare with: nobody else makes these examples without a GPT-4. Timed is
macsql.factory.prepared.prepare of the built-in data in an empty folder, every gold and every broken query executed.
"""

import argparse
import json
import tempfile
import time

from experiments.bench.material import DEMO, Material, composed
from experiments.bench.measure import Job, python

QUESTIONS = (100, 400)  # for each database


def jobs(material: Material) -> list[Job]:
    """Two sizes, so that growth shows."""
    sizes = (10,) if material.small else QUESTIONS
    return [Job("e", f"{count} per database", "ours", python("building", str(count))) for count in sizes]


def main() -> None:
    """Make the examples of so many questions for each database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=int)
    given = parser.parse_args()
    from macsql.factory.prepared import prepare

    with tempfile.TemporaryDirectory() as state:
        config = composed(*DEMO, f"data.questions={given.questions}", f"tracking.state_dir={state}")
        started = time.perf_counter()
        prepared = prepare(config)
        seconds = time.perf_counter() - started
        asked = {row.question_id for split in ("train", "eval", "test") for row in prepared.examples(split)}
    print(json.dumps({"seconds_per_thousand_questions": 1000 * seconds / len(asked), "questions": len(asked)}))


if __name__ == "__main__":
    main()
