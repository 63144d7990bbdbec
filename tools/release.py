"""Checks, builds and tries a release of one package, as far as that needs no GitHub.

python3 tools/release.py --repository OWNER/NAME     once: the address, into every package
python3 tools/release.py --dry-run PACKAGE           all of the steps below, and the notes
python3 tools/release.py --build TAG --output dist   checks and builds; stops at the first problem
python3 tools/release.py --try dist                  installs and uses the built files
"""

import environment

environment.enter()

import sys  # noqa: E402  # the environment comes first

from release.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], environment.ROOT))
