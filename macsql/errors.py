"""The one exception a user is meant to see."""


class UserError(Exception):
    """Bad input, told in one sentence that names the thing and says what would be right.

    Commands print the sentence to stderr and exit with code 1; nothing else in the house catches it.
    """
