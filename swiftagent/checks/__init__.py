"""What `doctor` and the preflight of `sft` check: pure functions over plain values; each problem is one line with its remedy."""
