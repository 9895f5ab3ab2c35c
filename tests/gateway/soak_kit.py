"""Makes the harness of `tools/soak` importable, as it is when it runs."""

from __future__ import annotations

import sys
from pathlib import Path

SOAK = Path(__file__).resolve().parents[2] / "tools" / "soak"
sys.path[:0] = [str(SOAK), str(SOAK / "plugin")]
