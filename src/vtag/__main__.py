"""`python -m vtag`: the command line."""

import sys

from vtag.cli.main import main

sys.exit(main())
