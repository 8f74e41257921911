from __future__ import annotations

from pathlib import Path

import pytest

from workbench.worker.logind import (
    SCOPE,
    Logind,
    kills_processes_of,
    look_at_logind,
    way_to_start,
)

YES = "[Login]\nKillUserProcesses=yes\n"


@pytest.mark.parametrize(
    ("texts", "kills"),
    [
        ([], False),
        (["[Login]\n#KillUserProcesses=yes\n"], False),
        ([YES], True),
        ([YES, "KillUserProcesses=no"], False),
        (["KillUserProcesses = TRUE"], True),
        ([YES + "KillExcludeUsers=root ada"], False),
        ([YES + "KillOnlyUsers=bob"], False),
        ([YES + "KillOnlyUsers=bob ada"], True),
    ],
)
def test_the_configuration_says_whether_a_users_processes_go(texts: list[str], kills: bool) -> None:
    assert kills_processes_of("ada", texts) is kills
    assert kills_processes_of("root", texts[:1]) is False or "ada" in "".join(texts)


@pytest.mark.parametrize(
    ("kills", "in_session", "manager", "lingers", "before", "warned"),
    [
        (False, True, True, True, (), ""),
        (True, False, False, False, (), ""),
        (True, True, True, True, SCOPE, ""),
        (True, True, True, False, SCOPE, "loginctl enable-linger"),
        (True, True, False, False, (), "Stay logged in"),
    ],
)
def test_what_is_started_outlives_a_logout_where_it_can(
    kills: bool,
    in_session: bool,
    manager: bool,
    lingers: bool,
    before: tuple[str, ...],
    warned: str,
) -> None:
    way = way_to_start(Logind(kills, in_session, manager, lingers))

    assert way.before == before
    assert warned in way.warning
    assert bool(way.warning) is bool(warned)


def test_the_files_of_systemd_are_read_in_their_order(tmp_path: Path) -> None:
    for file, text in {
        "usr/lib/systemd/logind.conf": "KillUserProcesses=no",
        "etc/systemd/logind.conf.d/50-local.conf": YES,
        "usr/lib/systemd/logind.conf.d/10-first.conf": "KillUserProcesses=no",
        "proc/self/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n",
        "var/lib/systemd/linger/ada": "",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)

    found = look_at_logind(tmp_path, "ada")

    assert found == Logind(kills=True, in_session=True, has_user_manager=False, lingers=True)
    assert not look_at_logind(tmp_path / "nothing", "ada").kills
