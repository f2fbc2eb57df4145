"""What an agent that operates a browser asks of its model: a large schema of many actions.

``AgentOutput`` has a union of models, one for each action, and is within what the API takes.
``LooseAgentOutput`` has one model with all actions, each of which may be left out, and is not.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model


class Params(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Region(Params):
    """A rectangle of the page, in pixels from its upper left corner."""

    left: int = Field(description="The distance of the left edge from the left edge of the page.")
    top: int = Field(description="The distance of the upper edge from the upper edge of the page.")
    width: int = Field(description="The width, which must be greater than zero.")
    height: int = Field(description="The height, which must be greater than zero.")


class Element(Params):
    """An element of the page, by the number that the last description of the page gives it."""

    index: int = Field(ge=0, description="The number in brackets before the element.")
    frame: str | None = Field(None, description="The name of its frame, null for the page itself.")


class Navigate(Params):
    url: str = Field(description="The whole address, with its scheme.")
    new_tab: bool = Field(False, description="Whether to open it in a new tab and to go there.")


class Search(Params):
    query: str = Field(description="What to search for, as a person would type it.")
    engine: Literal["general", "news", "images", "maps"] = Field(
        description="Which kind of results the search is to give."
    )


class Click(Params):
    element: Element = Field(description="What to click on. It must be visible.")
    button: Literal["left", "middle", "right"] = Field("left", description="The mouse button.")
    times: int = Field(1, ge=1, le=3, description="How often to click, one after the other.")


class Type(Params):
    element: Element = Field(description="The field to type into. It gets the focus first.")
    text: str = Field(description="The text, in which a line break presses Enter.")
    clear: bool = Field(True, description="Whether to delete what the field has in it before.")


class Keys(Params):
    keys: list[str] = Field(
        min_length=1, description="The keys to press together, such as Control and a letter."
    )


class Scroll(Params):
    down: bool = Field(description="Whether to scroll down; otherwise it scrolls up.")
    pages: float = Field(gt=0, description="How many pages to scroll, which may be a fraction.")
    element: Element | None = Field(None, description="What to scroll, null for the whole page.")


class Select(Params):
    element: Element = Field(description="The list to choose from.")
    option: str = Field(description="The text of the option, exactly as the list shows it.")


class Upload(Params):
    element: Element = Field(description="The field that takes the file.")
    path: str = Field(pattern=r"^[\w./-]+$", description="The file, in the agent's own folder.")


class Extract(Params):
    query: str = Field(description="What to find in the text of the page.")
    links: bool = Field(False, description="Whether to include the addresses of links.")
    start: int = Field(0, ge=0, description="The character of the page to begin at.")


class Tab(Params):
    tab: str = Field(min_length=4, max_length=4, description="The four characters of its name.")


class Wait(Params):
    seconds: int = Field(3, ge=1, le=30, description="How long to wait for the page to change.")


class Picture(Params):
    region: Region | None = Field(None, description="What to show, null for all that is visible.")
    format: Literal["png", "jpeg"] = Field("png", description="The format of the picture.")


class Drag(Params):
    start: Element = Field(description="What to take hold of with the left mouse button.")
    end: Element = Field(description="Where to let it go.")


class Write(Params):
    path: str = Field(description="The file to write, in the agent's own folder.")
    content: str = Field(description="All that the file is to have in it.")
    append: bool = Field(False, description="Whether to keep what the file has in it before.")


class Replace(Params):
    path: str = Field(description="The file to change, in the agent's own folder.")
    old: str = Field(description="A text that the file has in it exactly once.")
    new: str = Field(description="The text to put in its place.")


class Read(Params):
    path: str = Field(description="The file to read, in the agent's own folder.")


class Back(Params):
    pass


class Script(Params):
    code: str = Field(description="The JavaScript to run in the page. Its last value is told.")


class Cookie(Params):
    name: str = Field(description="The name of the cookie, with upper and lower case as it is.")
    value: str | None = Field(None, description="Its new value, null to delete it.")


class Done(Params):
    text: str = Field(description="The answer to the task, in full, for the user to read.")
    success: bool = Field(description="Whether all of the task is done.")
    files: list[str] = Field(description="The files to hand over to the user.")


ACTIONS: dict[str, tuple[type[Params], str]] = {
    "navigate": (Navigate, "Go to an address. What is entered on the page before is lost."),
    "search": (Search, "Search the web. Use it when no address is known to begin with."),
    "go_back": (Back, "Go back to the page before, as the browser's own button does."),
    "click": (Click, "Click on an element of the page, and wait for what follows from it."),
    "type_text": (Type, "Type text into a field. Do not use it for lists to choose from."),
    "send_keys": (Keys, "Press keys, whatever has the focus. Use it for shortcuts and for Escape."),
    "scroll": (Scroll, "Scroll, to see the elements that are above or below what is visible."),
    "select_option": (Select, "Choose an option of a list that drops down when it is clicked."),
    "upload_file": (Upload, "Give a file to a form. The file must be in the agent's own folder."),
    "extract": (Extract, "Read the page with another model, and keep what it has to the query."),
    "switch_tab": (Tab, "Go to another tab. The description of the page names the tabs."),
    "close_tab": (Tab, "Close a tab that is not needed any more, and go to the one before it."),
    "wait": (Wait, "Wait for the page. Use it only when the page says that it is loading."),
    "screenshot": (Picture, "Look at the page as a picture. It comes with the next description."),
    "drag": (Drag, "Drag an element to another one, as is needed to sort some kinds of lists."),
    "write_file": (Write, "Write a file in the agent's own folder, for notes and for results."),
    "replace_in_file": (Replace, "Replace a text in a file, for instance to mark a step as done."),
    "read_file": (Read, "Read a file in the agent's own folder that was written before."),
    "run_script": (Script, "Run JavaScript in the page. Use it only if no other action will do."),
    "set_cookie": (Cookie, "Set or delete a cookie of the site whose page is open at present."),
    "done": (Done, "End the task. It must be the only action. Say in it what was not done."),
}


class State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    thinking: str | None = Field(
        None, description="Think step by step about the page and about what has been done so far."
    )
    evaluation: str = Field(
        description="One sentence: whether the last action did what it was meant to do, and why."
    )
    memory: str = Field(
        description="What must be remembered: results, numbers, pages that have been seen."
    )
    next_goal: str = Field(description="One sentence: what the next actions are for, and how.")


def _one(name: str) -> Any:
    """The model of one action."""
    params, description = ACTIONS[name]
    title = "".join(part.title() for part in name.split("_"))
    field: dict[str, Any] = {name: (params, Field())}
    return create_model(f"{title}Action", __base__=Params, __doc__=description, **field)


AnyAction: Any = reduce(or_, map(_one, ACTIONS))
_LOOSE: dict[str, Any] = {
    name: (params | None, Field(None, description=description))
    for name, (params, description) in ACTIONS.items()
}
LooseAction: Any = create_model("LooseAction", __base__=Params, **_LOOSE)

AgentOutput: Any = create_model(
    "AgentOutput",
    __base__=State,
    action=(list[AnyAction], Field(min_length=1, description="What to do next, in this order.")),
)
LooseAgentOutput: Any = create_model(
    "LooseAgentOutput",
    __base__=State,
    action=(list[LooseAction], Field(min_length=1, description="What to do next, in this order.")),
)

STEP = {
    "thinking": None,
    "evaluation": "The page is open.",
    "memory": "Nothing yet.",
    "next_goal": "Fill in the form.",
    "action": [
        {
            "type_text": {
                "element": {"index": 7, "frame": None},
                "text": "Ada Lovelace, “1815”\n",
                "clear": True,
            }
        },
        {"click": {"element": {"index": 8, "frame": "main"}, "button": "left", "times": 1}},
    ],
}
