"""Records of several sources sampled, compared and mixed into one training file."""

PUBLIC = ("mixing", "plan", "recipe", "sample", "stats")
