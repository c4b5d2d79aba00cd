"""What every test run begins with, before any library of linear algebra is loaded.

Tests run side by side, a process a core; more threads than that would wait for one another and make PyTorch ten times slower.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
