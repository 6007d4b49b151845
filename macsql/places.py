"""Where the configuration and the published figures lie: in a clone beside the package, once installed within it."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
REPO = PACKAGE.parent
INSTALLED = (PACKAGE / "conf").is_dir()  # from a wheel, which holds them; an editable install is a clone
CONF = PACKAGE / "conf" if INSTALLED else REPO / "conf"
EXPERIMENTS = PACKAGE / "experiments" if INSTALLED else REPO / "experiments"
