"""What a process is to remember, and how it gets there from what it remembers now."""

from __future__ import annotations

import attrs

from ..conversation import Turn, has_results


@attrs.frozen
class Plan:
    """The steps from what a process remembers to a conversation.

    lines: the conversation. held: how many of its lines the process remembers already, after it has
    gone back. back_to: the mark to rewind to first; None if that is not necessary. clear: whether
    to send `/clear` first. whole: whether `lines` is the whole conversation, so that a process that
    cannot be rewound may be cleared and sent all of it. own: whether the answers among the new
    lines are those of the turn that has just ended, so that their thinking can be kept.
    """

    lines: tuple[Turn, ...] = ()
    held: int = 0
    back_to: int | None = None
    clear: bool = False
    whole: bool = True
    own: bool = False

    @property
    def new(self) -> tuple[Turn, ...]:
        """The lines that the process must be sent."""
        return self.lines[self.held :]


def is_mark(line: Turn) -> bool:
    """Whether a process can be taken back to the place before this line.

    The CLI does not rewind to a line with tool results: "target splits a tool call" (2.1.330).
    """
    return line.role == "user" and not has_results(line)
