"""Forks and statements keep out of each other's way."""

import threading

from shopify_session_storage_sqlite.forking import _Gate


def test_a_statement_waits_until_the_last_of_several_forks_is_over():
    gate, done = _Gate(), threading.Event()

    def statement():
        with gate:
            done.set()

    gate.before_fork()
    gate.before_fork()  # of another thread
    gate.after_fork()
    thread = threading.Thread(target=statement)
    thread.start()
    assert not done.wait(0.2)
    gate.after_fork()
    assert done.wait(1)
    thread.join()
