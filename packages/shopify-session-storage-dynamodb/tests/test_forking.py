"""Forked children connect anew."""

from servers.forking import fork_children_of_a_running_loop


def test_children_of_a_process_with_a_running_loop_connect_anew(make):
    fork_children_of_a_running_loop(make())
