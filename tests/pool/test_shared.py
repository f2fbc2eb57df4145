"""One call for all who ask meanwhile."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.pool.shared import Shared


class Asked(SynchronousTestCase):
    def setUp(self) -> None:
        self.calls: list[Deferred[str]] = []
        self.shared = Shared(self.call)

    async def call(self) -> str:
        self.calls.append(Deferred())
        return await self.calls[-1]

    def test_all_who_ask_meanwhile_get_the_result_of_one_call(self) -> None:
        first, second = self.shared.result(), self.shared.result()
        self.calls[0].callback("found")
        assert [self.successResultOf(one) for one in (first, second)] == ["found", "found"]
        assert len(self.calls) == 1

    def test_all_get_the_error_of_a_call_that_fails(self) -> None:
        first, second = self.shared.result(), self.shared.result()
        self.calls[0].errback(ValueError("not there"))
        for one in (first, second):
            self.failureResultOf(one, ValueError)

    def test_a_later_caller_starts_a_new_call(self) -> None:
        self.failureResultOf(self.asked(ValueError("not there")), ValueError)
        later = self.shared.result()
        self.calls[1].callback("found")
        assert self.successResultOf(later) == "found"

    def asked(self, error: Exception) -> Deferred[str]:
        asked = self.shared.result()
        self.calls[-1].errback(error)
        return asked

    def test_cancelling_one_result_does_not_end_the_call(self) -> None:
        first, second = self.shared.result(), self.shared.result()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.calls[0].callback("found")
        assert self.successResultOf(second) == "found"

    def test_a_failure_that_nobody_waits_for_is_not_logged(self) -> None:
        self.shared.result().addErrback(lambda failure: failure.trap(CancelledError))
        self.shared._waiting[0].cancel()
        self.calls[0].errback(ValueError("not there"))
        assert not self.flushLoggedErrors()

    def test_cancel_ends_the_call(self) -> None:
        asked = self.shared.result()
        self.shared.cancel()
        self.failureResultOf(asked, CancelledError)
        assert self.calls[0].called

    def test_a_call_that_returns_at_once(self) -> None:
        async def call() -> int:
            return 1

        shared = Shared(call)
        assert self.successResultOf(shared.result()) == 1
        assert self.successResultOf(shared.result()) == 1
