"""A TCP proxy that breaks connections in the ways that networks do.

pass        forwards
slow        forwards after a delay
reset       cuts every connection with RST, old and new
half-close  tells both sides that the other has said all, and forwards no more of it
hole        takes everything and forwards nothing; what was held is delivered afterwards,
            as a network does that lost packets and gets them again
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Literal

__all__ = ("MODES", "Mode", "TcpProxy")

Mode = Literal["pass", "slow", "reset", "half-close", "hole"]
MODES: tuple[Mode, ...] = ("slow", "reset", "half-close", "hole")

_CHUNK = 65536


class TcpProxy:
    """Listens on a free port and forwards to one place.

    Args:
        host: address to listen on.
        to: address and port that is forwarded to.
        delay: seconds that `slow` adds to each piece.
    """

    def __init__(self, host: str, to: tuple[str, int], *, delay: float = 0.05) -> None:
        self.host = host
        self.port = 0
        self.cut = 0
        self._to = to
        self._delay = delay
        self._mode: Mode = "pass"
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._sides: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut everything and listen no longer."""
        if self._server is not None:
            self._server.close()
        self._reset_all()
        for task in tuple(self._pipes):
            task.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    def set(self, mode: Mode) -> None:
        """Behave so from now on, old connections included."""
        self._mode = mode
        if mode == "hole":
            self._open.clear()
        else:
            self._open.set()
        if mode == "reset":
            self._reset_all()
        elif mode == "half-close":
            for writer in self._sides:
                _say_all(writer)

    def _reset_all(self) -> None:
        for writer in tuple(self._sides):
            self.cut += 1
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        try:
            await self._connect(reader, writer)
        except asyncio.CancelledError:
            pass  # at the end; the server's own callback would complain of it
        finally:
            self._pipes.discard(task)
            self._sides.discard(writer)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sides.add(writer)
        if self._mode == "reset":
            _reset(writer)
            return
        await self._open.wait()
        try:
            there, onward = await asyncio.open_connection(*self._to)
        except OSError:
            return
        self._sides.add(onward)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pipe(reader, onward))
                group.create_task(self._pipe(there, writer))
        finally:
            self._sides.discard(onward)
            onward.close()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # RuntimeError: the side that is written to was told meanwhile that all was said.
        with contextlib.suppress(OSError, RuntimeError):
            while chunk := await reader.read(_CHUNK):
                if self._mode == "slow":
                    await asyncio.sleep(self._delay)
                await self._open.wait()
                if self._mode != "half-close":
                    writer.write(chunk)
                    await writer.drain()
            await self._open.wait()
        _say_all(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if found is not None:
        with contextlib.suppress(OSError):
            # Zero seconds to linger: what is unsent is dropped, and the close is an RST.
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _say_all(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()
