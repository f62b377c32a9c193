"""The API's methods by name, and how a request finds its own. Parameters are decoded strictly; unknown ones refused."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

from thalweg.api import channel_methods, node_methods, opening_methods, trade_methods
from thalweg.api.backend import Backend
from thalweg.api.framing import Request
from thalweg.errors import Reason, UserFault

_P = TypeVar("_P", bound=msgspec.Struct)


class Method(NamedTuple):
    """A method: what it takes, and what it does."""

    params: type[msgspec.Struct]
    run: Callable[[Backend, Any], Awaitable[object]]


METHODS: dict[str, Method] = {
    name: Method(params, run)
    for module in (node_methods, opening_methods, channel_methods, trade_methods)
    for name, (params, run) in module.METHODS.items()
}


class Dispatcher:
    """Runs requests on one node."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def __call__(self, request: Request) -> object:
        """Run a method and return its result.

        Raises:
            UserFault: UNKNOWN_FEATURE, no such method; MALFORMED parameters; and what the method refuses.
        """
        method = METHODS.get(request.method)
        if method is None:
            known = ", ".join(sorted(METHODS))
            raise UserFault(Reason.UNKNOWN_FEATURE, f"there is no method {request.method!r}; there are {known}")
        try:
            params = msgspec.convert(request.params, method.params)
        except msgspec.ValidationError as error:
            raise UserFault(Reason.MALFORMED, f"parameters of {request.method}: {error}") from error
        return await method.run(self._backend, params)
