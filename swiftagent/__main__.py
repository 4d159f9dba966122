import sys

from swiftagent.cli import main

sys.exit(main())
