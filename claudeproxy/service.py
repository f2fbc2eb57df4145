"""The service that creates all other objects, and starts, drains and stops them."""

from __future__ import annotations

import os
import platform
import secrets
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    ensureDeferred,
    maybeDeferred,
    succeed,
)
from twisted.logger import Logger
from twisted.python.failure import Failure

from . import __version__
from .api_tools.answer import ApiTools
from .api_tools.found import Found
from .api_tools.refusals import Refusals
from .catalogue import Catalogue, ModelMemory, models_from_initialize
from .cli import launch, scratch
from .cli.lookup import Lookup
from .condition.machine import Condition
from .demo.guess import MODEL as DEMO_MODEL
from .demo.service import DemoService
from .dialects.responses.request import Responses
from .dialects.responses.store import ResponseStore
from .errors import APIError
from .health import Health
from .log import changed, tell
from .metrics import Metrics
from .pool.pool import Pool
from .pool.slot import Activity
from .pool.workers import PoolSettings
from .settings import Settings, SettingsError
from .structured.output import StructuredOutput
from .structured.ways import Choice, Ways
from .web.access import Access
from .web.app import App, route_of
from .web.connections import Connections
from .web.exchange import Timeouts
from .web.guard import guarded_request
from .web.reach import reachable
from .web.site import ProxySite
from .web.status.routes import StatusPage
from .web.status.view import Sources


class ProxyService(Service):
    """The proxy: it listens while it runs, and leaves no process or file when it has stopped."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        environ: Mapping[str, str] = os.environ,
        announce: Callable[[str], None] = lambda text: None,
        now: Callable[[], float] | None = None,
    ) -> None:
        """environ: the CLI gets some of it. announce: called with a text for the user.

        now: seconds since the epoch, if those of the reactor are of another clock.
        """
        now = now or reactor.seconds
        self._reactor = reactor
        self._settings = settings
        self._environ = environ
        self._announce = announce
        self._lookup = Lookup(reactor)
        self._scratch = ""
        self.demo: DemoService | None = None
        if settings.demo:
            # Only the CLI gets this key, so nobody else on this machine can use the stand-in.
            key = f"sk-ant-oat01-{secrets.token_hex(16)}"
            self.demo = DemoService(reactor, key=key, now=now)
        self.metrics = Metrics()
        named_choice = {
            field.name: getattr(settings, field.name) for field in attrs.fields(PoolSettings)
        }
        self.condition = Condition(now, monotonic=reactor.seconds)
        self.pool = Pool(
            reactor, self._find_launch, PoolSettings(**named_choice), self.metrics, self.condition
        )
        self.health = Health(
            self.condition,
            lambda: {activity.value: self.pool.count(activity) for activity in Activity},
            self.pool.look,
            demo=settings.demo,
        )
        self.status = StatusPage(
            reactor,
            Sources(
                readiness=self.health.readiness,
                login=self.health.login,
                plan=self.pool.plan.as_object,
                pool=self.pool.report,
                running=lambda: self._app.running,
                route_of=route_of,
                has_keys=lambda: bool(self._access.keys),
            ),
            now,
        )
        self._models = ModelMemory(reactor.seconds)
        self.pool.on_model_usage = self._models.learn
        self._app = App(
            clock=reactor,
            pool=self.pool,
            structured=StructuredOutput(
                ApiTools(
                    self.pool,
                    Refusals(
                        reactor.seconds,
                        allowed=settings.web_tools,
                        may_leave_out=not settings.strict_parameters,
                    ),
                    Found(reactor.seconds),
                ),
                Ways(Choice(settings.structured_output), reactor.seconds),
                self.metrics,
                retry=settings.structured_retry,
            ),
            catalogue=self._catalogue,
            about=self.health.about,
            readiness=self.health.readiness,
            metrics=self.metrics.exposition,
            responses=Responses(ResponseStore(now, settings.responses, settings.responses_age)),
            status=self.status,
            strict_parameters=settings.strict_parameters,
            web_tools=settings.web_tools,
            now=now,
            timeouts=Timeouts(
                first_token=settings.first_token_timeout,
                stall=settings.stall_timeout,
                total=settings.total_timeout,
                hold_head=settings.hold_head,
                keepalive=settings.keepalive,
            ),
        )
        self._access = _access(settings)
        requests = guarded_request(settings.body_limit, lambda: self._access, self._app.methods_of)
        site = ProxySite(self._app, reactor, requests, self.metrics)
        self._connections = Connections(
            reactor, site, settings.request_timeout, settings.stall_timeout
        )
        self._connections.on_refused = site.log_refused
        self._port: Any = None
        self.url = ""
        self._probing: Deferred[None] = Deferred()
        self._draining: Deferred[None] | None = None

    def startService(self) -> None:
        """Listen, and probe the CLI in the background. Raises CannotListenError."""
        super().startService()
        self._port = self._reactor.listenTCP(
            self._settings.port,
            self._connections,
            backlog=1024,
            interface=self._settings.interface,
        )
        self.url = _url(self._port.getHost())
        self._scratch = scratch.make()
        if self.demo is not None:
            self.demo.startService()
        self._probing = ensureDeferred(self._probe_cli()).addErrback(self._probe_failed)

    def stopService(self) -> Deferred[None]:
        """Let running requests finish for up to `drain` seconds, then end everything."""
        return ensureDeferred(self._stop()) if self.running else succeed(None)

    def stop_now(self) -> None:
        """End the running requests at once, if the service is already stopping."""
        if self._draining is not None:
            self._draining.cancel()

    def reload(self, load: Callable[[], Settings]) -> None:
        """Apply the keys and aliases of newly loaded settings; all others stay as they were."""
        try:
            settings = load()
        except SettingsError as error:
            self.log.error("Settings not reloaded: {error}", error=error)
            return
        if self._access.keys and not settings.keys:
            self.log.error("Settings not reloaded: the new settings have no keys.")
            return
        self._settings = attrs.evolve(self._settings, keys=settings.keys, aliases=settings.aliases)
        self._access = _access(self._settings)
        self.log.info("Reloaded keys ({count}) and aliases.", count=len(settings.keys))

    async def _stop(self) -> None:
        super().stopService()
        self._probing.cancel()
        self.condition.stopping()
        self.status.stop()
        # New requests get a 503 with Retry-After, which a closed port could not send.
        drained = self._app.drain()
        if not drained.called:
            self.log.info(
                "Stopping: waiting up to {drain:g} s for running requests to finish.",
                drain=self._settings.drain,
            )
        drained.addTimeout(self._settings.drain, self._reactor)
        self._draining = drained
        try:
            await drained
        except (defer.TimeoutError, CancelledError):
            self.log.warn("Some requests did not finish in time and are aborted.")
        await maybeDeferred(self._port.stopListening)
        await self.pool.stop()
        await self._lookup.stop()
        await self._connections.close()
        if self.demo is not None:
            await self.demo.stopService()
        shutil.rmtree(self._scratch, ignore_errors=True)

    # The CLI

    async def _find_launch(self) -> launch.Launch:
        cli = await self._lookup.find(self._settings.cli, self._environ)
        self.metrics.found_cli(cli.version)
        extra = {} if self.demo is None else self._demo_environment()
        return launch.Launch.of(cli, self._settings, self._environ, self._scratch, extra)

    def _demo_environment(self) -> dict[str, str]:
        assert self.demo is not None
        assert self.demo.url is not None
        home = Path(self._scratch) / "home"
        home.mkdir(exist_ok=True)
        return {
            # The user's own login must not be used. With a token the CLI behaves as it does with
            # a plan, not as it does with an API key.
            "CLAUDE_CODE_OAUTH_TOKEN": self.demo.key,
            "ANTHROPIC_BASE_URL": self.demo.url,
            "ANTHROPIC_API_KEY": "",
            # The CLI lists one more model, which no other API has.
            "ANTHROPIC_CUSTOM_MODEL_OPTION": DEMO_MODEL,
            "CLAUDE_CONFIG_DIR": str(home),
            "HOME": str(home),
        }

    async def _catalogue(self) -> Catalogue:
        ready = await self.pool.newest()
        models = models_from_initialize(ready.models)
        return Catalogue(models, self._settings.aliases, self._models)

    async def _probe_cli(self) -> None:
        tell(
            self.log,
            f"claudeproxy {__version__} is listening on {self.url}",
            {
                "version": __version__,
                "python": platform.python_version(),
                "twisted": version("twisted"),
                "url": self.url,
                "settings": changed(self._settings),
            },
            said=("version", "url"),
        )
        try:
            await self._catalogue()
        except APIError as error:
            if self.condition.error is None:
                self.log.error("{sentence}", sentence=error.message)
        if self.condition.cli is not None:
            tell(
                self.log,
                f"Claude Code {self.condition.cli.version} was found",
                {
                    "cli_version": self.condition.cli.version,
                    "cli": self.condition.cli.path,
                    "found": self.condition.cli.where,
                    "demo": self.demo is not None,
                    "login": self.condition.login_report(),
                },
                said=("cli_version",),
            )
        self._announce(self.health.welcome(self.url, with_key=bool(self._settings.keys)))

    def _probe_failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("Probing the CLI failed", failure)


def _access(settings: Settings) -> Access:
    return Access(
        interface=settings.interface,
        keys=settings.keys,
        hosts=frozenset(host.lower() for host in settings.allowed_hosts),
        origins=frozenset(settings.allowed_origins),
    )


def _url(address: Any) -> str:
    host = reachable(address.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{address.port}"
