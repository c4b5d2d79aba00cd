"""What the walk promises, measured: python tests/benchmarks/walk.py. Not a test: minutes long, and no machine is another's.

In a fresh home, on `cattle-demo`: the wall-clock time of `genobench run --generator wgan` from nothing to the printed scores; whether the
WGAN's linkage is better than that of `independent` by more than the band's width; whether its membership attack stays near .5; whether
`copy` is found out and `leaky` rises with its share; and whether the same seed gives the same scores again in another home.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from typing import Any

LIMIT_SECONDS = 240.0
HIGHEST_AUC_BOUND = 0.60
LEAKY_SHARES = (0.01, 0.05, 0.10)


def main() -> None:
    """Print each promise with its figure."""
    if shutil.which("genobench") is None:
        raise SystemExit("genobench is not on PATH: activate the environment that it is installed in.")
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as other:
        begin = time.perf_counter()
        wgan = _run(home, "wgan")
        _say(
            f"genobench run --generator wgan, fresh home: {time.perf_counter() - begin:.0f} s", time.perf_counter() - begin <= LIMIT_SECONDS
        )
        independent, copy = _run(home, "independent"), _run(home, "copy")
        leaky = [_run(home, "leaky", "--set", f"share={share}") for share in LEAKY_SHARES]
        ours, floor = (_score(outcome, "ld_decay_error") for outcome in (wgan, independent))
        width = ours["band"]["high"] - ours["band"]["low"]
        gain = floor["value"] - ours["value"]
        _say(f"LD decay error: wgan {ours['value']:.4f}, independent {floor['value']:.4f}, band's width {width:.4f}", gain > width)
        auc = _score(wgan, "membership_auc")
        _say(
            f"membership AUC of wgan: {auc['value']:.3f}, upper 95 % bound {auc['interval'][1]:.3f}",
            auc["interval"][1] <= HIGHEST_AUC_BOUND,
        )
        copied = _score(copy, "membership_auc")["value"]
        _say(f"membership AUC of copy: {copied:.3f}", copied >= 0.99)
        rising = [_score(outcome, "membership_auc")["value"] for outcome in leaky]
        shown = ", ".join(f"{value:.3f} at {share:.0%}" for value, share in zip(rising, LEAKY_SHARES, strict=True))
        _say(f"membership AUC of leaky: {shown}", rising == sorted(rising))
        again = _run(other, "wgan")
        _say("same seed, same scores in another home", _values(again) == _values(wgan))


def _run(home: str, generator: str, *options: str) -> dict[str, Any]:
    command = ["genobench", "run", "--generator", generator, "--json", *options]
    done = subprocess.run(command, env={**os.environ, "GENOBENCH_HOME": home}, stdout=subprocess.PIPE, text=True, check=True)
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def _score(outcome: dict[str, Any], name: str) -> dict[str, Any]:
    return next(score for score in outcome["scores"] if score["metric"] == name)


def _values(outcome: dict[str, Any]) -> list[tuple[str, float]]:
    return [(score["metric"], score["value"]) for score in outcome["scores"]]


def _say(figure: str, is_kept: bool) -> None:
    print(f"{'kept  ' if is_kept else 'BROKEN'}  {figure}", flush=True)


if __name__ == "__main__":
    main()
