"""Records of several sources sampled, compared and mixed into one training file.

In reading order: recipe, sample, scan, plan (which rows may be taken); rules, augment, restraint, sizes, fingerprints,
converting, spool (what a task makes of them); seen, selection, hold_out, manifest, mixing, rewrite; stats, stats_page.
"""

PUBLIC = ("fingerprints", "mixing", "plan", "recipe", "rewrite", "sample", "seen", "stats")
