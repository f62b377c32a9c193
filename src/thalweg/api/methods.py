"""The API's methods by name, and how a request finds its own. Parameters are decoded strictly; unknown ones refused."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from thalweg.api import channel_methods, network_methods, node_methods, opening_methods, trade_methods
from thalweg.api.framing import Request
from thalweg.errors import Reason, UserFault


class Method(NamedTuple):
    """A method: what it takes, and what it does."""

    params: type[msgspec.Struct]
    run: Callable[[Any, Any], Awaitable[object]]


Methods = Mapping[str, Method]
METHODS: Final[Methods] = {
    name: Method(params, run)
    for module in (node_methods, network_methods, opening_methods, channel_methods, trade_methods)
    for name, (params, run) in module.METHODS.items()
}


class Dispatcher:
    """Runs requests: finds the method, checks the parameters. `backend` is what the methods work on."""

    def __init__(self, backend: object, methods: Methods) -> None:
        self._backend = backend
        self._methods = methods

    async def __call__(self, request: Request) -> object:
        """Run a method and return its result.

        Raises:
            UserFault: UNKNOWN_FEATURE, no such method; MALFORMED parameters; and what the method refuses.
        """
        method = self._methods.get(request.method)
        if method is None:
            known = ", ".join(sorted(self._methods))
            raise UserFault(Reason.UNKNOWN_FEATURE, f"there is no method {request.method!r}; there are {known}")
        try:
            params = msgspec.convert(request.params, method.params)
        except msgspec.ValidationError as error:
            raise UserFault(Reason.MALFORMED, f"parameters of {request.method}: {error}") from error
        return await method.run(self._backend, params)
