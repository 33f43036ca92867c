import socket
import sys

import pytest

from iotops.bootstrap import App
from iotops.serve import page_command, serve_api
from iotops.settings import REPOSITORY, read_settings
from lakehouse.errors import Refused


def test_a_port_that_is_taken_is_refused_before_anything_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Refused, match=rf"cannot listen on 127\.0\.0\.1:{port} .*: pass another --port"):
            serve_api(App(read_settings({})), "127.0.0.1", port)


def test_the_page_is_run_by_this_interpreter_and_told_where_the_api_is() -> None:
    command = page_command("127.0.0.1", 8501, "http://127.0.0.1:8000")

    assert command[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert command[4] == str(REPOSITORY / "ui" / "page.py")
    assert command[command.index("--server.address") + 1] == "127.0.0.1"
    assert command[command.index("--") :] == ["--", "--api", "http://127.0.0.1:8000"]
