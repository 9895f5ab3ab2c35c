"""A process that publishes once, and may kill itself at its n-th word with the system.

Run by `test_git_publish_crash.py`: root, workspace, key, repoUrl, n. Prints how many words it took.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from towpath_core.errors import StepFailed
from towpath_core.testing import RecordingContext
from towpath_git.git import Git
from towpath_git.publish import PublishGit


def main() -> None:
    root, workspace, key, repo_url, last = sys.argv[1:]
    action = PublishGit(Path(root), Git(StepFailed))
    context = RecordingContext(Path(workspace), key=key)
    words = 0

    def listen(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal words
        if event == "open" or event.startswith(("os.", "shutil.", "subprocess.", "fcntl.")):
            words += 1
            if words == int(last):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(listen)
    outputs = action.run({"repoUrl": repo_url}, context)
    print(words, outputs["commitHash"])


if __name__ == "__main__":
    main()
