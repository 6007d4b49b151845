"""What is wrong with the agents' configuration, told before any example is made."""

from macsql.config import AgentsConfig
from macsql.errors import UserError
from macsql.records import AGENTS

STYLES = ("brief", "mac_sql")
SQL = ("published", "plain")


def check(cfg: AgentsConfig) -> None:
    """Raise UserError for what is wrong with the agents' configuration, naming the key."""
    if cfg.style not in STYLES:
        raise UserError(f"Unknown agents.style {cfg.style!r}: it is one of {', '.join(STYLES)}.")
    if cfg.sql not in SQL:
        raise UserError(f"Unknown agents.sql {cfg.sql!r}: it is one of {', '.join(SQL)}.")
    if unknown := [role for role in cfg.roles if role not in AGENTS]:
        raise UserError(f"Unknown agent {unknown[0]!r} in agents.roles: the agents are {', '.join(AGENTS)}.")
    if not cfg.roles:
        raise UserError(f"agents.roles names no agent: choose from {', '.join(AGENTS)}.")
    for key, least in (
        ("value_examples", 0),
        ("value_links", 0),
        ("refiner_per_question", 0),
        ("max_source_tokens", 1),
        ("max_target_tokens", 1),
    ):
        if (value := getattr(cfg, key)) < least:
            raise UserError(f"agents.{key}={value}: at least {least} is needed.")
