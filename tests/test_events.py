from __future__ import annotations

import pytest

from genobench.errors import GenobenchError
from genobench.events import message_of, sayable


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (GenobenchError("one\n  two"), "GenobenchError: one two"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (ValueError("Größe \ud800 \x1b[31m"), r"ValueError: Größe \ud800 \x1b[31m"),
    ],
)
def test_message_of__is_one_line_that_can_be_written(error, message):
    assert message_of(error) == message
    message.encode()


def test_sayable__cuts_what_is_longer_than_a_page_and_says_how_much():
    said = sayable("y" * 5_000_000)
    assert said == "y" * 2000 + " ... (4,998,000 more characters)"
    assert sayable("y" * 2000) == "y" * 2000
