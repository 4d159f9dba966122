"""Progress of a run: plain lines that read as well in a log file as on a terminal."""

from __future__ import annotations

from typing import Any


def loaded_line(loaded: dict[str, Any]) -> str:
    """What ms-swift really loaded; how much that is, a streaming run does not know before it has ended."""
    rows, tokens, steps = int(loaded["rows"]), int(loaded.get("tokens") or 0), int(loaded["max_steps"])
    parts = [f"{rows:,} rows loaded" if rows else "rows are read as they come"]
    if tokens:
        parts.append(f"{tokens:,} tokens")
    if loaded.get("val_rows"):
        parts.append(f"{loaded['val_rows']:,} validation rows")
    parts.append(f"{steps:,} steps of {loaded['sequences_per_step']} sequences")
    return ", ".join(parts)


def length_lines(loaded: dict[str, Any], max_length: object) -> tuple[str, str]:
    """Rows left out for their length, and rows made to fit, by channel; "" where there are none."""
    left_out, shortened = (loaded.get(fate) or {} for fate in ("too_long", "shortened"))
    limit = f"max_length {max_length}" if max_length else "the model's length"
    longer = f"{sum(left_out.values()):,} rows are longer than {limit} and left out ({_by_channel(left_out)})"
    over = f"{sum(shortened.values()):,} rows were over max_length and shortened to fit ({_by_channel(shortened)})"
    how = "oldest exchanges went, long results were cut in the middle, or last steps went"
    return f"{longer}; raise train.max_length" if left_out else "", f"{over}: {how}" if shortened else ""


def _by_channel(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name or 'without a channel'}" for name, count in sorted(counts.items()))


def metric_line(line: dict[str, Any]) -> str:
    """One line of metrics.jsonl for people; "" where it says nothing new."""
    evaluated = "eval_loss" in line
    if "eval_call_exact" in line:
        return f"step {line['step']}/{line['max_steps']}  {line['eval_call_exact']:.1%} of held-out calls exact"
    if not evaluated and "loss" not in line:
        return ""
    parts = [f"step {line['step']}/{line['max_steps']}"]
    prefix = "eval_" if evaluated else ""
    parts.append(f"{prefix}loss {line[prefix + 'loss']:.4f}")
    parts += [f"{name} {value:.4f}" for name, value in channel_losses(line).items()]
    if line.get("tokens_per_second"):
        parts.append(f"{line['tokens_per_second']:,.0f} tokens/s")
    if line.get("memory_gib"):
        parts.append(f"{line['memory_gib']:.1f} GiB")
    left = seconds_left(line)
    if left is not None and not evaluated:
        parts.append(f"{duration(left)} left")
    return "  ".join(parts)


def channel_losses(line: dict[str, Any]) -> dict[str, float]:
    """Loss of each channel in one line of metrics: ms-swift logs `loss_CHANNEL`, in evaluation `eval_loss_CHANNEL`."""
    found = {}
    for key, value in line.items():
        name = key.removeprefix("eval_").removeprefix("loss_")
        if name != key.removeprefix("eval_") and name != "None":
            found[name] = float(value)
    return found


def seconds_left(line: dict[str, Any]) -> float | None:
    """Seconds to the last step at the run's own pace."""
    pace = line.get("seconds_per_step")
    return None if not pace else float(pace) * max(0, int(line["max_steps"]) - int(line["step"]))


def duration(seconds: float) -> str:
    """1h05m, 4m10s, 12s."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"


def curve(points: list[tuple[int, float]], width: int = 64, height: int = 10) -> str:
    """A curve of (step, value) in block characters, with the axis's ends."""
    first, last = points[0][0], points[-1][0]
    bins: dict[int, list[float]] = {}
    for step, value in points:
        bins.setdefault(round((step - first) / max(1, last - first) * (width - 1)), []).append(value)
    means = {column: sum(values) / len(values) for column, values in bins.items()}
    low, high = min(means.values()), max(means.values())
    rows = [[" "] * width for _ in range(height)]
    for column, mean in means.items():
        rows[round((high - mean) / ((high - low) or 1) * (height - 1))][column] = "•"
    marks = {0: f"{high:9.4f} ┤", height - 1: f"{low:9.4f} ┤"}
    lines = [marks.get(number, " " * 10 + "│") + "".join(row).rstrip() for number, row in enumerate(rows)]
    return "\n".join([*lines, f"{'':10}└{'─' * width}", f"{'':11}{first:<{width - 8}}{last:>8}"])
