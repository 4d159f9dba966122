"""Which text of a record is trained: shown, checked and weighted."""

PUBLIC = ("check", "fit", "page", "pieces", "view", "weights")
