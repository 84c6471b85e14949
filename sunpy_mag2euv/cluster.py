"""Many machines: the workers of a dask cluster as a `concurrent.futures.Executor`."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor

__all__ = ["connected"]

#: Seconds in which a scheduler has to answer.
_TIMEOUT = 10


@contextlib.contextmanager
def connected(address: str) -> Iterator[Executor]:
    """
    Have the workers of a cluster for a block.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://10.0.0.1:8786``.

    Yields
    ------
    `concurrent.futures.Executor`
        What workers were at when they died, others do. What nobody waits for when the block is left is forgotten.

    Raises
    ------
    ImportError
        If dask.distributed is not installed.
    ConnectionError
        If there is no scheduler at the address.
    """
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ImportError as error:
        raise ImportError(f"to work on a cluster, install sunpy_mag2euv[cluster] ({error})") from error
    try:
        get_address_host_port(address)  # A client with an address that is none waits for itself when it is forgotten.
        client = Client(address, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ConnectionError(
            f"there is no scheduler at {address} ({str(error) or type(error).__name__}); give the address that "
            "dask scheduler shows, such as tcp://10.0.0.1:8786"
        ) from error
    with client:
        yield client.get_executor()
