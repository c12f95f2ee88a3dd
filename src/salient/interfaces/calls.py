"""Services on workers."""

from __future__ import annotations

from typing import Any

import msgspec

from salient.app import App, place_of, work_config
from salient.errors import Error, InvalidInput, NotFound
from salient.interfaces.parallel import url_of
from salient.interfaces.python import validated
from salient.model import Value
from salient.services import SERVICES, Service
from salient.settings import load
from salient.work import Place, Recipe, deadletters, handler, open_pool
from salient.work.parallel import Elsewhere

_LOCAL = ("inline:", "processes:")


def elsewhere(app: App, name: str, on: str | None = None) -> Elsewhere[..., Any]:
    """A service as workers do it: `.delay(question="…")`, `.map([{"question": "…"}, …])`.

    Raises:
        NotFound: no service has that name.
        Misconfigured: the URL names no pool.
    """
    service = SERVICES.get(name)
    if service is None:
        raise NotFound(f"no service is called {name!r}", known=sorted(SERVICES))
    settings = app.settings
    url = url_of(on, settings)
    # Workers of a queue go by the settings of their own machine; processes of this one by ours.
    given = settings.model_dump(mode="json", exclude={"web"}) if url.startswith(_LOCAL) else None
    factory = services if service.idempotent else services_once
    recipe = Recipe.of(factory, ServiceSetup(service.name, settings.workspace, given))

    def given_up(value: Any, error: Error, attempts: int) -> None:
        # Without settings: they hold passwords, and whoever tries again has some.
        kept = Recipe.of(factory, ServiceSetup(service.name, settings.workspace))
        deadletters.put(
            app.context.records, kept, value, error, keep=settings.work.dead_letters,
            workspace=settings.workspace, attempts=attempts,
        )  # fmt: skip

    return Elsewhere(
        open_pool(url, place_of(settings), work_config(settings)),
        recipe,
        _request,
        service.reply.model_validate,
        once=not service.idempotent,
        given_up=given_up,
    )


class ServiceSetup(msgspec.Struct, frozen=True):
    """Which service of which workspace; `settings` are those of the sender where they are to be used."""

    service: str
    workspace: str
    settings: dict[str, Any] | None = None


@handler(value=dict[str, Any], setup=ServiceSetup)
def services(setup: ServiceSetup, place: Place) -> _Calls:
    """Calls of a service that may be done twice."""
    return _Calls(setup)


@handler(value=dict[str, Any], setup=ServiceSetup, once=True)
def services_once(setup: ServiceSetup, place: Place) -> _Calls:
    """Calls of a service that may not."""
    return _Calls(setup)


class _Calls:
    """A workspace, opened in a worker."""

    def __init__(self, setup: ServiceSetup) -> None:
        settings = load(**{**(setup.settings or {}), "workspace": setup.workspace})
        self._app = App(settings)
        self._service: Service[Any, Any] = self._app.services[setup.service]

    def __call__(self, value: dict[str, Any]) -> Any:
        reply: Value = self._app.call(self._service, validated(self._service.request, value))
        return reply.model_dump(mode="json")

    def close(self) -> None:
        self._app.close()


def _request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """A request, from the fields' names or from the one argument that `map` gives."""
    if not args:
        return kwargs
    if len(args) > 1 or kwargs or not isinstance(args[0], dict):
        raise InvalidInput("a service takes the fields of its request by name, or as one dict")
    return args[0]
