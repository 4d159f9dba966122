"""Which text of a record is trained: shown, checked and weighted."""

PUBLIC = ("check", "check_file", "fit", "page", "pieces", "view", "weights")
