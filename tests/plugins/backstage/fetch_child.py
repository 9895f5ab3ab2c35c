"""A process that renders a skeleton, and may kill itself at its n-th word with the system.

Run by `test_actions_fetch.py`: workspace, template folder, n. Prints how many words it took.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from towpath_backstage.actions.template import FetchTemplate
from towpath_backstage.language import Nunjucks
from towpath_core.scaffolding import RenderLimits
from towpath_core.testing import RecordingContext


def main() -> None:
    workspace, template, last = sys.argv[1:]
    words = 0

    def listen(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal words
        if event == "open" or event.startswith(("os.", "shutil.")):
            words += 1
            if words == int(last):
                os.kill(os.getpid(), signal.SIGKILL)

    with Nunjucks().open(RenderLimits()) as session:
        session.text("${{ 1 }}", {})
        context = RecordingContext(Path(workspace), template=Path(template), session=session)
        sys.addaudithook(listen)
        FetchTemplate().run({"url": "skeleton", "values": {"x": "y"}}, context)
        print(words, flush=True)


if __name__ == "__main__":
    main()
