from __future__ import annotations

import json
import subprocess
import sys

from genobench.home import NO_ROOM, write_json_atomically


def test_write_json_atomically__writes_half_a_surrogate_pair_as_its_escape(tmp_path):
    """A plugin may put any text into an error, and UTF-8 has no form for this one."""
    write_json_atomically(tmp_path / "a.json", {"message": "ä \ud800"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"message": "ä \ud800"}


def test_no_room__includes_the_error_of_a_file_that_reached_the_limit_on_its_size(tmp_path):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    with open(sys.argv[1], 'wb') as file:\n"
        "        file.write(bytes(2000))\n"
        "except OSError as error:\n"
        "    print(error.errno)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], capture_output=True, text=True, check=True)
    assert int(ended.stdout) in NO_ROOM
