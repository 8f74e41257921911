"""How quick the interface is, measured through a pseudo-terminal against its bounds.

    make bench-tui

Fills databases with synthetic runs (5,000 of them, and one of 100,000 steps x 8 tasks), drives the
real program by keys, and prints a table. On a busy machine the figures are those of a busy
machine: the table says how busy it was.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "tui")]

PROGRAM = (sys.executable, "-m", "workbench")
# As installed: an image that forbids it has every module compiled anew at each start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
QUIET_SECONDS = 0.12
"""A burst of output is over when nothing came for so long."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    value: float
    bound: float
    unit: str

    def line(self) -> str:
        verdict = "ok" if self.value <= self.bound else "OVER"
        return f"{self.what:<66} {self.value:>9.3g} {self.bound:>7g} {self.unit:<5} {verdict}"


class Terminal:
    """The program in a pseudo-terminal: counts bytes and knows when they came."""

    def __init__(self, *words: str, size: tuple[int, int] = (120, 40)) -> None:
        self.begin = time.perf_counter()
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            columns, rows = size
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            wanted = {
                "TERM": "xterm-256color",
                "COLORTERM": "truecolor",
                "PYTHONPATH": str(ROOT),
                "XDG_CONFIG_HOME": tempfile.mkdtemp(prefix="bench-config-"),
            }
            environment = os.environ | wanted
            for name in ("COLUMNS", "LINES", "NO_COLOR"):
                environment.pop(name, None)
            os.execve(PROGRAM[0], [*PROGRAM, *words], environment)
        self.seen = b""
        self.count = 0

    def press(self, keys: str) -> float:
        """Send keys; returns when."""
        now = time.perf_counter()
        os.write(self._master, keys.encode())
        return now

    def read(self, seconds: float) -> bytes:
        """What comes within a time, or until the first piece of it."""
        if not select.select([self._master], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:
            return b""
        self.seen = (self.seen + data)[-400_000:]
        self.count += len(data)
        return data

    def until(self, shows: bytes, seconds: float = 60.0) -> float:
        """Wait for a text; returns when it came."""
        limit = time.perf_counter() + seconds
        while shows not in self.seen:
            if time.perf_counter() > limit:
                raise SystemExit(f"waited {seconds} s for {shows!r}; got {self.seen[-2000:]!r}")
            self.read(0.05)
        return time.perf_counter()

    def burst(self, since: float, quiet: float = QUIET_SECONDS) -> tuple[float, float]:
        """Seconds from a moment to the first and to the last byte of what follows it."""
        first = last = 0.0
        limit = time.perf_counter() + 20
        while time.perf_counter() < limit:
            data = self.read(quiet if first else 10.0)
            if not data:
                break
            last = time.perf_counter() - since
            first = first or last
        return first, last

    def settle(self, quiet: float = 0.6) -> None:
        """Wait until nothing comes any more."""
        limit = time.perf_counter() + 30
        while self.read(quiet) and time.perf_counter() < limit:
            continue

    def forget(self) -> None:
        self.seen = b""

    def bytes_within(self, seconds: float) -> int:
        before, limit = self.count, time.perf_counter() + seconds
        while (left := limit - time.perf_counter()) > 0:
            self.read(left)
        return self.count - before

    def memory(self) -> float:
        """Resident megabytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1000
        return float("nan")

    def cpu_seconds(self) -> float:
        """What it has computed so far: unlike the time, hardly more on a busy machine."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._master)


@contextmanager
def opened(*words: str, size: tuple[int, int] = (120, 40)) -> Iterator[Terminal]:
    """The program, and its end."""
    terminal = Terminal(*words, size=size)
    try:
        yield terminal
    finally:
        terminal.close()


def percentile(values: list[float], share: float = 0.95) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# ── the rows ──────────────────────────────────────────────────────────────────


def start(database: Path, count: int) -> Row:
    """From the command to all runs in the list; the best of three, since disks are cold once."""
    taken = []
    for _ in range(3):
        with opened("--db", str(database)) as terminal:
            taken.append(terminal.until(f"{count} runs".encode()) - terminal.begin)
    return Row(f"start to first useful screen, {count} runs in the database", min(taken), 0.9, "s")


def open_long_run(database: Path) -> Row:
    with opened("--db", str(database)) as terminal:
        terminal.until(b"1 runs")
        terminal.settle()
        _, last = terminal.burst(terminal.press("\r"), quiet=0.4)
    return Row("open a finished run of 100,000 steps x 8 tasks", last, 0.5, "s")


def filter_and_sort(database: Path, count: int) -> list[Row]:
    with opened("--db", str(database)) as terminal:
        terminal.until(f"{count} runs".encode())
        terminal.settle()
        terminal.burst(terminal.press("/"))
        letters = []
        for letter in "state=failed and topic.accuracy>0.8":
            _, last = terminal.burst(terminal.press(letter))
            letters.append(last * 1000)
        terminal.burst(terminal.press("\x1b"))
        terminal.settle()
        sorts = []
        for key in "ooor":
            _, last = terminal.burst(terminal.press(key))
            sorts.append(last * 1000)
    return [
        Row(f"filter keystroke to repaint, {count} runs, median", statistics.median(letters),
            60, "ms"),
        Row(f"filter keystroke to repaint, {count} runs, worst", max(letters), 180, "ms"),
        Row(f"sort, {count} runs, median", statistics.median(sorts), 100, "ms"),
    ]  # fmt: skip


def compare_many(database: Path) -> list[Row]:
    with opened("--db", str(database)) as terminal:
        terminal.until(b"50 runs")
        terminal.settle()
        terminal.burst(terminal.press("\x01"))
        terminal.settle()
        _, last = terminal.burst(terminal.press("c"), quiet=0.4)
        terminal.settle()
        memory = terminal.memory()
        idle = terminal.bytes_within(3.0)
    return [
        Row("compare 50 runs x 2,000 points x 4 metrics", last * 1000, 300, "ms"),
        Row("memory with 50 runs compared", memory, 110, "MB"),
        Row("bytes while nothing changes, 3 s", idle, 0, "B"),
    ]


LIVE = """
import sys, time
sys.path[:0] = {paths!r}
from datetime import UTC, datetime
from recorded_runs import a_config, a_run, a_workspace, evaluation, started, steps, TASKS
from workbench.operations.workspace import open_workspace
from workbench.store.records import Heartbeat
TASKS["fourth"] = ("classification", "accuracy")
with open_workspace({database!r}) as ws:
    run = a_run(ws, "livex234", config=a_config("live", tasks=4), minutes_ago=0)
    total, step = 4000, 0
    ws.store.append(run.id, [started(run, total)])
    while True:
        events = steps(run, step + 1, step + {each}, total)
        step += {each}
        if step % 100 < {each}:
            events += evaluation(run, step, total)
        beat = Heartbeat(datetime.now(UTC), "training", step, 30.0)
        ws.store.append(run.id, events, heartbeat=beat)
        print(step, time.time(), flush=True)
        time.sleep({pause})
"""


@contextmanager
def live_run(folder: Path, *, each: int = 2, pause: float = 0.5) -> Iterator[Path]:
    """A database in which a run of four tasks is at work, as long as the block lasts."""
    database = folder / f"live-{time.time_ns()}.db"
    paths = [str(ROOT), str(ROOT / "tests" / "tui")]
    code = LIVE.format(paths=paths, database=str(database), each=each, pause=pause)
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    for _ in range(8):
        worker.stdout.readline()
    try:
        yield database
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()


def traffic(folder: Path, size: tuple[int, int], bound: float, *, seconds: float = 15.0) -> Row:
    with live_run(folder) as database, opened("--db", str(database), size=size) as terminal:
        terminal.until(b"1 runs")
        terminal.settle(0.3)
        terminal.burst(terminal.press("\r"))
        terminal.bytes_within(4.0)
        count = terminal.bytes_within(seconds)
    what = f"bytes to the terminal, live page of 4 tasks, {size[0]}x{size[1]}"
    return Row(what, count / seconds / 1000, bound, "kB/s")


def key_to_screen(folder: Path) -> Row:
    with (
        live_run(folder, each=5, pause=0.25) as database,
        opened("--db", str(database)) as terminal,
    ):
        terminal.until(b"1 runs")
        terminal.settle(0.3)
        terminal.burst(terminal.press("\r"))
        terminal.bytes_within(3.0)
        taken = []
        for at in range(40):
            terminal.bytes_within(0.11)
            pressed = terminal.press("\x1b[D" if at % 8 < 6 else "\x1b[C")
            while not terminal.read(5.0):
                continue
            taken.append((time.perf_counter() - pressed) * 1000)
    return Row("key to screen while 6 charts update, p95", percentile(taken), 50, "ms")


def commit_to_mark(folder: Path, marks: int = 12) -> Row:
    """From the commit of a row to its mark in the chart, in process: what a terminal adds is
    in the row of keys."""
    import asyncio

    from recorded_runs import a_run, steps, train

    from workbench.operations.workspace import open_workspace
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.widgets.chart_grid import GridChart

    async def measure() -> list[float]:
        taken = []
        with open_workspace(str(folder / "commit.db")) as writer:
            run = a_run(writer, "livex234", minutes_ago=0)
            train(writer, run, upto=40)
            with open_workspace(str(folder / "commit.db")) as reader:
                app = WorkbenchApp(reader, run_id=run.id)
                async with app.run_test(size=(120, 40)) as pilot:
                    while not list(app.screen.query(GridChart)):
                        await pilot.pause(0.05)
                    chart = next(iter(app.screen.query(GridChart)))
                    await pilot.pause(1.5)
                    for number in range(marks):
                        step = 41 + number
                        await asyncio.sleep(0.13 * (number % 7))
                        writer.store.append(run.id, steps(run, step, step, 240))
                        begin = time.perf_counter()
                        while f"at {step}" not in chart.summary():
                            await asyncio.sleep(0.01)
                        taken.append(time.perf_counter() - begin)
        return taken

    return Row("row committed to mark on the screen, p95", percentile(asyncio.run(measure())),
               1.2, "s")  # fmt: skip


def runs_as_json(database: Path, count: int) -> Row:
    taken = []
    for _ in range(3):
        begin = time.perf_counter()
        found = subprocess.run(
            [*PROGRAM, "runs", "--json", "--db", str(database)],
            capture_output=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        taken.append(time.perf_counter() - begin)
        assert len(json.loads(found.stdout)) == count
    return Row(f"runs --json with {count} runs", min(taken), 0.35, "s")


def make(file: Path, fill: Callable[..., object]) -> Path:
    from workbench.operations.workspace import open_workspace

    with open_workspace(str(file)) as ws:
        fill(ws)
    return file


def main() -> int:
    from synthetic_runs import a_long_run, fill

    tasks = [f"task{number}" for number in range(8)]
    rows: list[Row] = []

    def tell(*news: Row) -> None:
        for row in news:
            rows.append(row)
            print(row.line(), flush=True)

    with tempfile.TemporaryDirectory(prefix="bench-tui-") as place:
        folder = Path(place)
        few = make(folder / "500.db", lambda ws: fill(ws, 500))
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        print(f"{'what':<66} {'measured':>9} {'at most':>7}")
        tell(start(few, 500), runs_as_json(few, 500))
        long = make(
            folder / "long.db",
            lambda ws: (a_long_run(ws, "longrun2", tasks=tasks, steps=100_000),
                        ws.store.pack("longrun2")),
        )  # fmt: skip
        tell(open_long_run(long))
        fifty = make(
            folder / "50.db",
            lambda ws: [
                a_long_run(ws, f"run{number:05d}".replace("0", "a").replace("1", "b"),
                           tasks=tasks[:2], steps=2000)
                for number in range(50)
            ],
        )  # fmt: skip
        tell(*compare_many(fifty))
        tell(traffic(folder, (120, 40), 6.0), traffic(folder, (80, 24), 3.0))
        tell(key_to_screen(folder), commit_to_mark(folder))
        many = make(folder / "5000.db", lambda ws: fill(ws, 5000))
        tell(*filter_and_sort(many, 5000))
        print(f"\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return int(any(row.value > row.bound for row in rows))


if __name__ == "__main__":
    sys.exit(main())
