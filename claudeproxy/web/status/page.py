"""The page as HTML, readable without JavaScript as far as the state and the settings go.

Everything that is put in is escaped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from string import Template
from typing import Any

from ... import __version__
from ...client_texts import CLIENTS, NO_KEY, YOUR_KEY, filled


# Nothing from other hosts, no script or style in the page itself, no script that writes HTML. Other
# images than the icon are those that the user attaches to a prompt.
POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"),
        *("img-src 'self' data: blob:", "base-uri 'none'", "form-action 'none'"),
        *("frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"),
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "vary": "accept",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
DEMO = "Demo: a built-in stand-in answers instead of Claude."
NEAR, REACHED = 0.8, 0.95


def page(
    template: str,
    state: Mapping[str, Any],
    plan: Mapping[str, Any] | None,
    origin: str,
    *,
    with_keys: bool,
) -> str:
    """The page. state, plan: as in `View`; plan is None if only a client with a key may see it.

    template: page.html. origin: that of the page, such as http://localhost:3456.
    """
    demo = bool(state.get("demo"))
    return Template(template).substitute(
        version=escape(__version__),
        keys="yes" if with_keys else "no",
        ready="yes" if state.get("ready") else "no",
        demo="" if demo else "hidden",
        banner=DEMO,
        title="Demo" if demo else "Ready" if state.get("ready") else "Not ready",
        verdict="Ready" if state.get("ready") else "Not ready",
        message=with_code(str(state.get("message") or "")),
        facts="".join(_fact(name, text) for name, text in facts_of(state)),
        plan=_plan(plan),
        url=escape(f"{origin}/v1"),
        origin=escape(origin),
        clients="".join(_clients(origin, with_keys=with_keys)),
        locked="" if with_keys else "hidden",
    )


def origin_of(host: str | None, fallback: str) -> str:
    """The origin by which the client has asked, from its Host header, which has been allowed.

    It names the port, as some clients need it. fallback: for a client that sent no Host.
    """
    if not host:
        return fallback
    has_port = ":" in host.rpartition("]")[2]
    return f"http://{host}" if has_port else f"http://{host}:80"


def facts_of(state: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """The rows under the verdict, each with a name and a text."""
    cli = state.get("cli")
    if cli:
        yield "CLI", f"Claude Code {cli['version']}: {cli['path']} ({cli['where']})"
    else:
        yield "CLI", "It has found no Claude Code CLI yet."
    yield "Login", str(state.get("login_text") or "")
    yield "Server", f"claudeproxy {__version__}"


def with_code(text: str) -> str:
    """A sentence as HTML; what is between backquotes is code."""
    pieces = escape(text).split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    return "".join(
        f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces)
    )


def _fact(name: str, text: str) -> str:
    return f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>"


def _plan(plan: Mapping[str, Any] | None) -> str:
    if plan is None:
        return "<p>With an API key this page shows the limits of the plan.</p>"
    windows = plan.get("windows") or ()
    if not windows:
        return f"<p>{escape(str(plan.get('note') or ''))}</p>"
    return f"<ul>{''.join(_window(window) for window in windows)}</ul>"


def _window(window: Mapping[str, Any]) -> str:
    title = escape(f"{window['name']}".replace("_", "-"))
    used, resets = window.get("used"), window.get("resets_at")
    share = "not known" if used is None else f"{used:.0%} used"
    meter = (
        ""
        if used is None
        else f'<meter min="0" max="1" low="{NEAR}" high="{REACHED}" optimum="0" '
        f'value="{float(used):.4f}" aria-label="{title}"></meter>'
    )
    ends = f", resets at {_moment(resets)}" if resets else ""
    return f"<li><span>{title}</span>{meter}<span>{share}{ends}</span></li>"


def _moment(instant: float) -> str:
    when = datetime.fromtimestamp(instant, UTC)
    shown = when.strftime("%Y-%m-%d %H:%M UTC")
    return f'<time datetime="{when.isoformat()}">{shown}</time>'


def _clients(origin: str, *, with_keys: bool) -> Iterable[str]:
    key = YOUR_KEY if with_keys else NO_KEY
    for name, client in sorted(CLIENTS.items(), key=lambda item: item[1].title.lower()):
        text = filled(client, origin, key)
        where = client.where + ("" if client.tried else ". The project's tests do not run it")
        template = client.template(with_keys=with_keys)
        give = f"<p>{with_code(client.give)}</p>" if with_keys and client.give else ""
        yield (
            f'<details class="client" id="client-{escape(name)}" data-model="{client.model}">'
            f"<summary>{escape(client.title)}</summary><p>{escape(where)}:</p>"
            f'<pre tabindex="0" aria-label="{escape(client.title)}" '
            f'data-text="{escape(template)}">{escape(text)}</pre>{give}</details>\n'
        )
