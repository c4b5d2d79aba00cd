"""Writes a synthetic .bed set of training samples drawn anew, with a call in sixteen drawn from another one; only Python itself.

`redraw.py TRAIN.bed CONDITIONS.tsv SYNTHETIC.bed SEED [FAULT]`, where FAULT is a way of doing it wrong.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

train, conditions, synthetic = (Path(argument) for argument in sys.argv[1:4])
rng = random.Random(int(sys.argv[4]))  # noqa: S311 - no secrets here
fault = sys.argv[5] if len(sys.argv) > 5 else ""
print("a line for the log")
if fault == "exit":
    sys.exit("no convergence")
if fault == "nothing":
    sys.exit(0)
n_train = len(train.with_suffix(".fam").read_text().splitlines())
n = len(conditions.read_text().splitlines()) - 1 - (fault == "fewer")
variants = train.with_suffix(".bim").read_text().splitlines()
body, row_bytes = train.read_bytes()[3:], -(-n_train // 4)
parents = [rng.randrange(n_train) for _ in range(n)]
rows = []
for place in range(len(variants)):
    row = body[place * row_bytes : (place + 1) * row_bytes]
    codes = [(row[sample // 4] >> 2 * (sample % 4)) & 3 for sample in range(n_train)]
    known = [code for code in codes if code != 1] or [3]
    drawn = [codes[parent] if rng.random() > 1 / 16 else 1 for parent in parents]
    drawn = [rng.choice(known) if code == 1 else code for code in drawn]
    if fault == "missing":
        drawn[0] = 1
    padded = [*drawn, *[0] * (-n % 4)]
    rows.append(bytes(padded[at] | padded[at + 1] << 2 | padded[at + 2] << 4 | padded[at + 3] << 6 for at in range(0, len(padded), 4)))
order = list(range(len(variants)))
rng.shuffle(order)
if fault == "variants":
    order = order[1:]
synthetic.write_bytes(b"\x6c\x1b\x01" + b"".join(rows[place] for place in order))
synthetic.with_suffix(".bim").write_text("".join(variants[place] + "\n" for place in order))
synthetic.with_suffix(".fam").write_text("".join(f"0 s{number} 0 0 0 -9\n" for number in range(n)))
