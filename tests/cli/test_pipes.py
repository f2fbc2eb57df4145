"""What is read from the stdout of a process, and when."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.cli.pipes import BURST, BURST_GAP, GATHER, Output
from claudeproxy.timers import Timers


class Pipe:
    """Twisted's reader of a pipe."""

    def __init__(self) -> None:
        self.reading = True

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True


class Bursts(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(100)
        self.timers = Timers(self.clock)
        self.pipe: Pipe | None = Pipe()
        self.output = Output(self.clock.seconds, self.timers, lambda: self.pipe)

    def read(self, times: int, gap: float) -> None:
        for _ in range(times):
            self.clock.advance(gap)
            self.assertEqual(self.output.all_of(b"line\n"), b"line\n")

    def reading(self) -> bool:
        assert self.pipe is not None
        return self.pipe.reading

    def test_an_answer_of_ordinary_speed_is_read_as_it_comes(self) -> None:
        for _ in range(10 * BURST):
            self.read(1, BURST_GAP)
            self.assertTrue(self.reading())

    def test_a_short_answer_is_read_as_it_comes(self) -> None:
        for _ in range(10):
            self.read(1, 1)
            self.read(BURST - 1, 0)
            self.assertTrue(self.reading())

    def test_the_lines_of_a_burst_gather(self) -> None:
        self.read(1, 1)
        self.read(BURST, 0)
        self.assertFalse(self.reading())
        self.clock.advance(GATHER)
        self.assertTrue(self.reading())
        self.read(1, 0)
        self.assertFalse(self.reading())

    def test_a_burst_ends_with_the_first_gap(self) -> None:
        self.read(1, 1)
        self.read(BURST, 0)
        self.clock.advance(GATHER)
        self.read(1, BURST_GAP)
        self.assertTrue(self.reading())

    def test_a_reader_that_was_paused_stays_so(self) -> None:
        self.read(1, 1)
        self.read(BURST, 0)
        self.output.pause()
        self.clock.advance(1)
        self.assertFalse(self.reading())
        # What Twisted had read before the pause still arrives.
        self.read(BURST + 1, 0)
        self.clock.advance(1)
        self.assertFalse(self.reading())
        self.output.resume()
        self.assertTrue(self.reading())

    def test_resuming_ends_the_wait(self) -> None:
        self.read(1, 1)
        self.read(BURST, 0)
        self.output.resume()
        self.assertTrue(self.reading())
        self.assertFalse(self.clock.getDelayedCalls())

    def test_a_pipe_that_closes_meanwhile_is_left_alone(self) -> None:
        self.read(1, 1)
        self.read(BURST, 0)
        self.pipe = None
        self.clock.advance(GATHER)
        self.output.pause()
        self.output.resume()
        self.read(BURST, 0)
