"""Where the tools of a run come from, and how they are called."""

PUBLIC = ("source", "toolbox")
