"""`python -m macsql.pretrain +experiment=pocket_base`: the built-in model from random weights, on generated databases.

The data is made first, then a fine-tune like any other runs on it; the same command goes on where it was stopped.
`python -m macsql.pretraining.ship` turns what came out into the folder that the package holds.
"""

from macsql.app import command
from macsql.config import Config
from macsql.errors import UserError
from macsql.system.streams import say


@command
def pretrain(config: Config) -> int:
    """Make the data, train on it, record and show; returns the exit code."""
    if config.data.format != "generated":
        raise UserError(
            f"Pre-training is for data=generated, not data={config.data.format}: add +experiment=pocket_base."
        )
    from macsql.models import families
    from macsql.needs import check_numbers
    from macsql.tracking.addresses import check_uri
    from macsql.train import carry_out
    from macsql.training import mixture

    check_numbers(config, "generation", "trainer", "metrics", "executor", "scale", "seed")
    mixture.check(config.mixture)
    families.check(config.model)
    from macsql.training.arguments import bind

    check_uri(config.tracking.uri)
    bind(config)
    from macsql.pretraining.prepared import prepare

    prepared = prepare(config, _told)
    counts = prepared.about["counts"]["train"]
    say(f"Examples for training: {sum(counts.values())} ({', '.join(f'{n} {agent}' for agent, n in counts.items())}).")
    return carry_out(config, prepared)


def _told(done: int, total: int) -> None:
    """A line now and then while the data is made."""
    if done % 250 == 0 or done == total:
        say(f"  databases made: {done} of {total}")


def main() -> None:
    """The command line."""
    pretrain()


if __name__ == "__main__":
    main()
