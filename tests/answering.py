"""A scripted pool, for what is in front of one."""

from __future__ import annotations

from collections.abc import Sequence

from claudeproxy.conversation import Conversation
from claudeproxy.errors import APIError
from claudeproxy.events import Listener


class Job:
    def __init__(self, number: int) -> None:
        self.reuse = f"rung {number}"
        self.left_out: Sequence[str] = ()
        self.did: list[str] = []

    def cancel(self, reason: str) -> None:
        self.did.append(reason)

    def pauseProducing(self) -> None:
        self.did.append("pause")

    def resumeProducing(self) -> None:
        self.did.append("resume")


class Pool:
    """Starts jobs that say what the test tells them to."""

    def __init__(self) -> None:
        self.asked: list[Conversation] = []
        self.jobs: list[Job] = []
        self.listeners: list[Listener] = []
        self.full: APIError | None = None

    def start(self, conversation: Conversation, listener: Listener) -> Job:
        if self.full is not None:
            raise self.full
        self.asked.append(conversation)
        self.jobs.append(Job(len(self.jobs)))
        self.listeners.append(listener)
        return self.jobs[-1]
