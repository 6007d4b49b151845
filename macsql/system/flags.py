"""Command lines with flags: argparse, whose mistakes become one sentence and exit code 1 as in every other command."""

import argparse
from typing import NoReturn

from macsql.errors import UserError


class Flags(argparse.ArgumentParser):
    """Raises UserError for a flag that is not there or has a wrong value; argparse would exit with 2."""

    def error(self, message: str) -> NoReturn:
        """Raise the sentence."""
        raise UserError(f"{message[0].upper()}{message[1:]}: see `{self.prog} --help`.")
