"""The places that a process can be taken back to, and the CLI's answers about them."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.cli.marks import REASONS, Marks
from claudeproxy.cli.plan import is_mark
from claudeproxy.conversation import Block, Turn, text_block

from .talk import assistant, user


RESULT: Block = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"}
RESULTS = Turn("user", (RESULT,))


def marked(*lines: Turn) -> tuple[Marks, list[str]]:
    """The marks after these lines, and the lines' uuids."""
    marks = Marks()
    return marks, [marks.add(line) for line in lines]


def rewound(uuid: str, **more: Any) -> dict[str, Any]:
    told = {"rewound": True, "targetMessageUuid": uuid, **more}
    return {"subtype": "success", "response": told}


def refused(error: str) -> dict[str, Any]:
    return {"subtype": "success", "response": {"rewound": False, "error": error}}


def test_a_new_process_has_no_marks() -> None:
    assert len(Marks()) == 0


def test_each_plain_user_line_is_a_mark() -> None:
    marks, _ = marked(user("a"), user("b"))
    assert len(marks) == 2


def test_lines_with_tool_results_are_no_marks() -> None:
    marks, uuids = marked(user("a"), RESULTS, Turn("user", (RESULT, text_block("b"))), user("c"))
    assert len(marks) == 2
    assert marks.request(1) == {
        "target_message_uuid": uuids[3],
        "last_seen_user_message_uuid": uuids[3],
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (user("a"), True),
        (assistant("a"), False),
        (RESULTS, False),
        (Turn("user", (text_block("a"), RESULT)), False),
    ],
)
def test_what_is_a_mark(line: Turn, expected: bool) -> None:
    assert is_mark(line) is expected


def test_the_newest_line_is_the_last_one_seen_even_if_it_is_no_mark() -> None:
    marks, uuids = marked(user("a"), user("b"), RESULTS)
    assert marks.request(0) == {
        "target_message_uuid": uuids[0],
        "last_seen_user_message_uuid": uuids[2],
    }


def test_no_two_uuids_begin_with_the_same_24_characters() -> None:
    marks, uuids = marked(*[user("a")] * 300)
    marks.forget()
    uuids += [marks.add(user("a")) for _ in range(300)]
    assert len({uuid[:24] for uuid in uuids}) == 600
    assert {len(uuid) for uuid in uuids} == {36}


def test_uuids_are_not_used_again_after_going_back() -> None:
    marks, uuids = marked(user("a"))
    marks.request(0)
    assert marks.refusal(rewound(uuids[0])) == ""
    assert marks.add(user("b")) not in uuids


def test_what_the_process_forgets_is_forgotten() -> None:
    marks, uuids = marked(user("a"), user("b"), RESULTS, user("c"))
    marks.request(1)
    assert marks.refusal(rewound(uuids[1])) == ""
    assert len(marks) == 1
    assert marks.request(0) == {
        "target_message_uuid": uuids[0],
        "last_seen_user_message_uuid": uuids[0],
    }


def test_results_before_the_mark_are_kept() -> None:
    marks, uuids = marked(user("a"), RESULTS, user("b"))
    marks.request(1)
    marks.refusal(rewound(uuids[2]))
    assert marks.request(0)["last_seen_user_message_uuid"] == uuids[1]


def test_a_cleared_process_has_no_marks() -> None:
    marks, _ = marked(user("a"), RESULTS, user("b"))
    marks.forget()
    assert len(marks) == 0
    uuid = marks.add(user("c"))
    assert marks.request(0) == {"target_message_uuid": uuid, "last_seen_user_message_uuid": uuid}


def test_marks_that_do_not_count_stay_in_the_conversation() -> None:
    marks, uuids = marked(user("a"), user("b"), user("c"))
    marks.keep(1)
    assert len(marks) == 1
    assert marks.request(0)["last_seen_user_message_uuid"] == uuids[2]
    newest = marks.add(user("d"))
    assert marks.request(1) == {
        "target_message_uuid": newest,
        "last_seen_user_message_uuid": newest,
    }


# Refusals

OTHER = "00000009-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        *((refused(reason), reason) for reason in REASONS),
        (refused("Stale target: the conversation has moved on"), "stale target"),
        (refused("something new"), "other"),
        (refused("Unsupported control request subtype: rewind_conversation"), "unsupported"),
        ({"subtype": "error", "error": "Unknown subtype"}, "unsupported"),
        ({"subtype": "error", "error": "turn running"}, "turn running"),
        ({"subtype": "error"}, "other"),
        ({"subtype": "success"}, "other"),
        ({"subtype": "success", "response": None}, "other"),
        ({"subtype": "success", "response": {}}, "other"),
        ({"subtype": "success", "response": {"rewound": "true"}}, "other"),
        ({"subtype": "success", "response": {"rewound": 1}}, "other"),
        ({"subtype": "success", "response": {"rewound": True}}, "another target"),
        (rewound(OTHER), "another target"),
        ({**rewound("TARGET"), "subtype": "error"}, "other"),
    ],
)
def test_a_process_that_did_not_go_back_keeps_its_marks(
    response: dict[str, Any], reason: str
) -> None:
    marks, uuids = marked(user("a"), user("b"))
    before = marks.request(1), marks.request(0)
    if response.get("response") == rewound("TARGET")["response"]:
        response["response"]["targetMessageUuid"] = uuids[0]
    assert marks.refusal(response) == reason
    assert len(marks) == 2
    assert (marks.request(1), marks.request(0)) == before


def test_a_reason_is_never_what_a_client_wrote() -> None:
    marks, _ = marked(user("a"))
    marks.request(0)
    assert marks.refusal(refused("cannot go back to 'my secret'")) == "other"
