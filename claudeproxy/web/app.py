"""The routes of the HTTP server. Each passes its request to a dialect or another object."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import attrs
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import RequestRedirect

from ..catalogue import Catalogue, Model
from ..conversation import Conversation
from ..dialects import Counting, Dialect, chat, completions, messages
from ..dialects.responses.request import Responses
from ..dialects.token_estimate import estimate
from ..errors import APIError, internal_error, no_websockets, unavailable, unsupported
from ..pool.pool import Pool
from ..structured.output import StructuredOutput
from .exchange import Exchange, Timeouts
from .facts import UNKNOWN
from .models import list_object, model_object, page_of
from .openapi import document
from .paths import asked_for, lists_of, query_of
from .respond import add_ignored, dialect_of, send_body, send_error, send_json, wants_websocket
from .status.routes import StatusPage, add_routes


# In the log, instead of the route of a path that is not served, and of a method that no route has.
NO_ROUTE = "(none)"
OTHER_METHOD = "(other)"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REMEMBERED_ROUTES = 256
SERVED_ROUTES = (
    "This is claudeproxy, which serves Claude through OpenAI's and Anthropic's APIs: "
    "POST /v1/chat/completions, /v1/responses, /v1/messages and /v1/completions; GET /v1/models, "
    "/v1/usage, /health and /openapi.json. It does not support embeddings, image generation, "
    "audio, files, batches or assistants."
)


@attrs.define(eq=False)
class App:
    """The HTTP application.

    catalogue: returns the available models, or raises APIError. about: returns the details for
    GET /health, readiness those for GET /health/ready, with `ready` among them. metrics: returns
    the body for GET /metrics. responses: the Responses dialect, with the stored responses.
    status: the status page. strict_parameters: whether to refuse parameters that would be ignored.
    web_tools: whether requests may use the tools that the API carries out itself. now: since the
    epoch.
    """

    clock: Any
    pool: Pool
    structured: StructuredOutput
    catalogue: Callable[[], Awaitable[Catalogue]]
    about: Callable[[], dict[str, Any]]
    readiness: Callable[[], dict[str, Any]]
    metrics: Callable[[], bytes]
    timeouts: Timeouts
    responses: Responses
    status: StatusPage
    strict_parameters: bool = False
    web_tools: bool = True
    now: Callable[[], float] = attrs.Factory(lambda self: self.clock.seconds, takes_self=True)
    # The requests that are being answered.
    running: set[Any] = attrs.field(init=False, factory=set)
    _drained: Deferred[None] | None = attrs.field(init=False, default=None)
    _created: int = attrs.field(init=False)

    @_created.default
    def _started(self) -> int:
        return int(self.now())

    log = Logger()
    router = Klein()
    add_routes(router)

    @router.route("/api/hello", methods=["GET"])
    def hello(self, request: Any) -> None:
        """The route by which Claude Code checks whether the server is reachable."""
        send_json(request, {"message": "hello"})

    @router.route("/health", methods=["GET"])
    @router.route("/v1/health", methods=["GET"])
    def health(self, request: Any) -> None:
        """Whether the server runs, and with which CLI."""
        send_json(request, {"status": "ok", **self._health_head(), **self.about()})

    @router.route("/health/ready", methods=["GET"])
    @router.route("/v1/health/ready", methods=["GET"])
    def health_ready(self, request: Any) -> None:
        """Whether the server can answer requests: if not, a 503 with the reason."""
        told = self.readiness()
        status = 200 if told["ready"] else 503
        send_json(request, {**told, **self._health_head()}, status)

    @router.route("/metrics", methods=["GET"])
    def metrics_text(self, request: Any) -> bytes:
        """The metrics, in the text format of Prometheus."""
        request.setHeader("content-type", "text/plain; version=0.0.4; charset=utf-8")
        return self.metrics()

    @router.route("/openapi.json", methods=["GET"])
    def openapi(self, request: Any) -> None:
        """The OpenAPI document of this server."""
        send_json(request, document())

    @router.route("/v1/models", methods=["GET"])
    @router.route("/models", methods=["GET"])
    async def models(self, request: Any) -> None:
        """Every name that a request may use, as OpenAI's list of models and Anthropic's in one."""
        try:
            catalogue = await self.catalogue()
            names, has_more = page_of(catalogue.names(), lists_of(request.args))
        except APIError as error:
            send_error(request, dialect_of(request), error)
        else:
            listed = [
                self._model_object(name, catalogue.resolve(name), catalogue) for name in names
            ]
            send_json(request, list_object(listed, has_more=has_more))

    @router.route("/v1/models/<path:name>", methods=["GET"])
    @router.route("/models/<path:name>", methods=["GET"])
    async def model(self, request: Any, name: str) -> None:
        """One model, by any name that a request may use."""
        try:
            catalogue = await self.catalogue()
            model = catalogue.describe(name)
        except APIError as error:
            send_error(request, dialect_of(request), error)
        else:
            send_json(request, self._model_object(name, model, catalogue))

    @router.route("/v1/usage", methods=["GET"])
    @router.route("/usage", methods=["GET"])
    async def usage(self, request: Any) -> None:
        """What is known about the limits of the user's plan."""
        await self.pool.plan.refresh()
        send_json(request, self.pool.plan.as_object())

    @router.route("/v1/chat/completions", methods=["POST"])
    @router.route("/chat/completions", methods=["POST"])
    async def chat_completions(self, request: Any) -> None:
        """OpenAI Chat Completions."""
        await self._answer(request, chat)

    @router.route("/v1/messages", methods=["POST"])
    @router.route("/messages", methods=["POST"])
    async def messages(self, request: Any) -> None:
        """Anthropic Messages."""
        await self._answer(request, messages)

    @router.route("/v1/messages/count_tokens", methods=["POST"])
    @router.route("/messages/count_tokens", methods=["POST"])
    async def count_tokens(self, request: Any) -> None:
        """An estimate of what a request to Anthropic Messages would cost."""
        await self._count(request, messages)

    @router.route("/v1/responses", methods=["POST"])
    @router.route("/responses", methods=["POST"])
    async def create_response(self, request: Any) -> None:
        """OpenAI Responses."""
        await self._answer(request, self._responses_of(request))

    @router.route("/v1/responses/<name>", methods=["GET"])
    @router.route("/responses/<name>", methods=["GET"])
    def response(self, request: Any, name: str) -> None:
        """A stored response."""
        self._tell(request, lambda: self._responses_of(request).fetch(name, query_of(request.args)))

    @router.route("/v1/responses/<name>", methods=["DELETE"])
    @router.route("/responses/<name>", methods=["DELETE"])
    def delete_response(self, request: Any, name: str) -> None:
        """Delete a stored response."""
        self._tell(request, lambda: self._responses_of(request).delete(name))

    @router.route("/v1/responses/<name>/input_items", methods=["GET"])
    @router.route("/responses/<name>/input_items", methods=["GET"])
    def input_items(self, request: Any, name: str) -> None:
        """The input items of a stored response."""
        self._tell(
            request, lambda: self._responses_of(request).input_items(name, query_of(request.args))
        )

    @router.route("/v1/responses/input_tokens", methods=["POST"])
    @router.route("/responses/input_tokens", methods=["POST"])
    async def input_tokens(self, request: Any) -> None:
        """An estimate of what a request to OpenAI Responses would cost."""
        await self._count(request, self._responses_of(request))

    @router.route("/v1/responses/compact", methods=["POST"])
    @router.route("/responses/compact", methods=["POST"])
    async def compact_response(self, request: Any) -> None:
        """A conversation of OpenAI Responses with a summary instead of its earlier part."""
        await self._answer(request, attrs.evolve(self._responses_of(request), compacts=True))

    @router.route("/v1/responses/<name>/cancel", methods=["POST"])
    @router.route("/responses/<name>/cancel", methods=["POST"])
    def cancel_response(self, request: Any, name: str) -> None:
        """Not supported: only background responses can be cancelled."""
        self._tell(request, lambda: self._responses_of(request).cancel(name))

    @router.route("/v1/completions", methods=["POST"])
    @router.route("/completions", methods=["POST"])
    async def completions(self, request: Any) -> None:
        """OpenAI Completions, which came before Chat Completions."""
        await self._answer(request, completions)

    @router.handle_errors(RequestRedirect)
    @router.handle_errors(NotFound)
    def not_found(self, request: Any, failure: Failure) -> None:
        """A path that is not served."""
        message = f"Invalid URL ({_asked_for(request)}). {SERVED_ROUTES}"
        send_error(request, dialect_of(request), APIError(404, message))

    @router.handle_errors(MethodNotAllowed)
    def method_not_allowed(self, request: Any, failure: Failure) -> None:
        """A path that is served only with other methods."""
        if request.path.startswith(b"//"):
            self.not_found(request, failure)
            return
        assert isinstance(failure.value, MethodNotAllowed)
        allowed = sorted(failure.value.valid_methods or ())
        if wants_websocket(request):
            # RFC 9110 wants both in a 426.
            request.setHeader("connection", "Upgrade")
            request.setHeader("upgrade", "HTTP/1.1")
            send_error(request, dialect_of(request), no_websockets(_asked_for(request), allowed))
            return
        request.setHeader("allow", ", ".join(allowed))
        message = (
            f"Method not allowed: {_asked_for(request)}. Allowed methods: {', '.join(allowed)}."
        )
        send_error(request, dialect_of(request), APIError(405, message))

    @router.handle_errors(Exception)
    def unexpected(self, request: Any, failure: Failure) -> None:
        """A bug in the proxy. The details are in the log but not in the response."""
        self.log.failure("serving {route}", failure, route=route_of(request))
        if not request.startedWriting:
            send_error(request, dialect_of(request), internal_error())
        else:
            request.facts.error = internal_error()

    def _health_head(self) -> dict[str, str]:
        now = datetime.fromtimestamp(self.now(), UTC)
        return {
            "provider": "claude-code-cli",
            "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }

    def methods_of(self, path: bytes) -> list[str]:
        """The methods that a path supports; none if it is not served. `*` stands for all paths."""
        if path == b"*":
            every = (rule.methods or set() for rule in self.router.url_map.iter_rules())
            return sorted(set().union(*every))
        try:
            return sorted(self.router.url_map.bind("").allowed_methods(_decoded(path)))
        except (NotFound, UnicodeDecodeError):
            return []

    def drain(self) -> Deferred[None]:
        """Accept no more conversations. The Deferred fires when the running ones have ended."""
        self._drained = Deferred()
        if not self.running:
            self._drained.callback(None)
        return self._drained

    async def _answer(self, request: Any, dialect: Dialect) -> None:
        self.running.add(request)
        try:
            if self._drained is not None:
                raise unavailable("The server is stopping.", retry_after=5)
            asked = dialect.read(request.json_body())
            wanted = asked.conversation.limits
            catalogue = await self.catalogue()
            model = self._resolve(request, wanted.model, catalogue)
            limits = model.adapt(wanted)
            conversations = [self._as_asked(one, model) for one in asked.conversations]
            self._tell_ignored(request, asked.ignored_for(limits))
            answer = asked.answer(request.unique, int(self.now()))
            # The other APIs have no headers for it.
            headers = self.pool.plan.headers if dialect is messages else dict
            exchange = Exchange(request, dialect, answer, self.clock, self.timeouts, headers)
            await exchange.run(self.structured, conversations)
            if limits.unlisted and exchange.answered:
                catalogue.memory.accept(limits.model)
            elif limits.unlisted and exchange.error and exchange.error.code == "model_not_found":
                catalogue.memory.refuse(limits.model, exchange.error)
        except APIError as error:
            send_error(request, dialect, error)
        finally:
            self.running.discard(request)
            if not self.running and self._drained is not None and not self._drained.called:
                self._drained.callback(None)

    async def _count(self, request: Any, dialect: Counting) -> None:
        try:
            asked = dialect.count_tokens(request.json_body())
            catalogue = await self.catalogue()
            model = self._resolve(request, asked.conversation.limits.model, catalogue)
            conversation = self._as_asked(asked.conversation, model, asks=False)
            self._tell_ignored(request, asked.ignored)
            tokens = await self.pool.count_tokens(conversation)
        except APIError as error:
            send_error(request, dialect, error)
            return
        how = "estimate" if tokens is None else "exact"
        request.setHeader("x-claudeproxy-count", how)
        send_body(request, asked.body(estimate(conversation) if tokens is None else tokens))

    def _resolve(self, request: Any, name: str, catalogue: Catalogue) -> Model:
        """Return the model with this name, and note it for the log; raises a 404."""
        facts = request.facts
        facts.asked = UNKNOWN
        model = catalogue.resolve(name)
        if catalogue.has_name(name):
            facts.asked = name
        if not model.unlisted or catalogue.memory.is_accepted(model.value):
            facts.model = model.resolved
        return model

    def _as_asked(
        self, conversation: Conversation, model: Model, *, asks: bool = True
    ) -> Conversation:
        """Return the conversation with what this model can do of it; raises a 400.

        asks: whether it is asked, and not only counted.
        """
        adapted = attrs.evolve(conversation, limits=model.adapt(conversation.limits))
        has_feature = model.has_output_format
        return self.structured.choose(adapted, has_feature=has_feature, asks=asks)

    def _tell_ignored(self, request: Any, ignored: Sequence[str]) -> None:
        if ignored and self.strict_parameters:
            raise unsupported(ignored)
        add_ignored(request, ignored)

    def _responses_of(self, request: Any) -> Responses:
        """The Responses dialect with the responses that the request's key has made."""
        return attrs.evolve(self.responses, owner=request.key_name)

    def _tell(self, request: Any, body: Callable[[], bytes]) -> None:
        try:
            send_body(request, body())
        except APIError as error:
            send_error(request, self.responses, error)

    def _model_object(self, name: str, model: Model, catalogue: Catalogue) -> dict[str, Any]:
        size = catalogue.size_of(model)
        return model_object(name, model, size, self._created, web_tools=self.web_tools)


def route_of(request: Any) -> str:
    """The method and route of a request, for the log; NO_ROUTE if no route matches."""
    return _route(request.method, request.path)


@lru_cache(REMEMBERED_ROUTES)
def _route(method: bytes, path: bytes) -> str:
    routes, name = App.router.url_map.bind(""), method.decode("latin-1")
    try:
        decoded = _decoded(path)
        if name not in (allowed := routes.allowed_methods(decoded)):
            # The answer is a 405, or to a preflight.
            name = name if name in METHODS else OTHER_METHOD
            rule, _ = routes.match(decoded, min(allowed, default=""), return_rule=True)
        else:
            rule, _ = routes.match(decoded, name, return_rule=True)
    except (HTTPException, UnicodeDecodeError):
        return NO_ROUTE
    return f"{name} {rule.rule}"


def _asked_for(request: Any) -> str:
    # As the client spelled it, without the query, which may have a key.
    return asked_for(request.method, request.uri.partition(b"?")[0])


def _decoded(path: bytes) -> str:
    """The path for the router, without escapes."""
    if path.startswith(b"//"):
        # The router takes it for the root.
        raise NotFound
    return unquote_to_bytes(path).decode("utf-8")
