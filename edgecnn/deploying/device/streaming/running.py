"""Puts the parts of `live` together, and takes them apart again in good order."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from edgecnn.deploying.device import run as programs
from edgecnn.deploying.device.emulator import emulated
from edgecnn.deploying.device.streaming import telling, trusted
from edgecnn.deploying.device.streaming.command import OnResult
from edgecnn.deploying.device.streaming.failing import Failure
from edgecnn.deploying.device.streaming.keeping import Keeper
from edgecnn.deploying.device.streaming.loop import Loop
from edgecnn.deploying.device.streaming.mailbox import Mailbox
from edgecnn.deploying.device.streaming.page_actions import Actions
from edgecnn.deploying.device.streaming.painter import Painter
from edgecnn.deploying.device.streaming.reader import Reader
from edgecnn.deploying.device.streaming.server import PageServer
from edgecnn.deploying.device.streaming.service import Confirmation, Notifier, confirm
from edgecnn.deploying.device.streaming.sources import source_of
from edgecnn.deploying.device.streaming.stages import Times
from edgecnn.deploying.device.streaming.state import State
from edgecnn.deploying.device.trouble import BAD_INPUT, TroubleError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from edgecnn.deploying.device.answers import Question
    from edgecnn.deploying.device.session import Session
    from edgecnn.deploying.device.streaming.frames import Frame

_REACHED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is asked for, not bound
_LOOPBACKS = {"127.0.0.1", "::1", "localhost"}


class Running:
    """All parts of one run.

    Args:
        here: the release's folder.
        release: release.json's content.
        manifest: manifest.json's.
        options: the command line's.
        loaded: the network.
        question: what is asked of every frame.

    Raises:
        TroubleError: the source, the command or the page cannot be had.
    """

    def __init__(
        self,
        here: Path,
        release: dict[str, Any],
        manifest: dict[str, Any],
        options: argparse.Namespace,
        loaded: Session,
        question: Question,
    ) -> None:
        self._here, self._release, self._manifest = here, release, manifest
        self._options, self._loaded, self._question = options, loaded, question
        self._parts = contextlib.ExitStack()
        self._stopping = False
        self._failure = Failure(self.stop)
        try:
            self._parts.enter_context(self._failure)
            self._assemble()
        except BaseException:
            self._parts.close()
            raise

    def _assemble(self) -> None:
        options = self._options
        in_turn = options.once or options.loop
        source = source_of(options.source, once=options.once, loop=options.loop)
        path = telling.log_path(options.log, options.service)
        self._log = telling.BoundedLog(path) if path else None
        self._teller = self._new_teller()
        self._mailbox: Mailbox[Frame] = Mailbox()
        self._reader = Reader(
            source, self._mailbox, self._teller.event,
            every=in_turn, fps=options.fps, again=not options.once,
        )  # fmt: skip
        self._times = Times()
        self._notifier = Notifier()
        self._loop = self._new_loop()
        self._confirmation = Confirmation(self._confirm)
        self._loop.on_beat(self._beat)
        self._loop.listen(self._confirmation)
        self._keeper = Keeper(options.keep or home(self._here) / "kept", options.keep_most)
        self._source_name = source.name
        if options.on_result:
            command = OnResult(
                options.on_result, options.on_result_seconds, self._teller.seldom
            )  # fmt: skip
            self._parts.callback(command.close)
            self._loop.on_line(command.put)
        self._page = None if options.no_page else self._new_page()

    def _new_teller(self) -> telling.Teller:
        stream = sys.stderr if self._options.to_stderr else sys.stdout
        lines = telling.Lines(
            telling.to_stream(stream), self._nobody_reads, every=self._options.once
        )
        self._parts.callback(lines.close)
        return telling.Teller(lines.put, self._log.write if self._log else None)

    def _nobody_reads(self) -> None:
        """Without a reader of its lines it goes on for the page, a log or a command alone."""
        telling.discard(sys.stderr if self._options.to_stderr else sys.stdout)
        options = self._options
        if options.no_page and self._log is None and options.on_result is None:
            self.stop()

    def _new_loop(self) -> Loop:
        options, task = self._options, self._question.task
        feeder = self._loaded.feeder(
            options.fit or programs.FIT_OF.get(task, "cover"), options.beside
        )
        feeder.image_end  # noqa: B018 - refuses a network that takes no picture
        return Loop(
            self._mailbox, self._loaded, feeder, self._question, self._times, self._teller,
            every_s=options.every, only_found=options.above is not None,
        )  # fmt: skip

    def _new_page(self) -> PageServer:
        options = self._options
        open_to_all = options.listen not in _LOOPBACKS
        file = options.token_file or home(self._here) / "live-token"
        token = trusted.token_in(file) if open_to_all or options.token_file else ""
        painter = Painter(self._question.labels, self._times)
        self._parts.callback(painter.close)
        self._loop.listen(painter)
        state = State(
            self._about(), loop=self._loop, reader=self._reader, mailbox=self._mailbox,
            times=self._times, keeper=self._keeper, teller=self._teller,
        )  # fmt: skip
        actions = Actions(
            self._here.name, loop=self._loop, painter=painter, state=state,
            keeper=self._keeper, teller=self._teller,
        )  # fmt: skip
        page = _bound(options.listen, options.port, actions, token)
        threading.Thread(target=page.serve_forever, name="page", daemon=True).start()
        self._parts.callback(page.stop)
        return page

    def _about(self) -> dict[str, Any]:
        return {
            "model": self._manifest["model"]["name"],
            "recipe": self._manifest["recipe"],
            "weights": self._manifest["model"]["weights"],
            "release": self._here.name,
            "runtime": self._release["runtime"],
            "task": self._question.task,
            "source_name": self._source_name,
            "emulated": emulated(),
        }

    def _beat(self) -> None:
        self._notifier.beat()
        self._confirmation.beat()

    def stop(self) -> None:
        """End soon; from any thread, or a signal's handler."""
        self._stopping = True
        self._loop.stop()

    def run(self) -> int:
        """Run until the source ends or `stop`; returns the exit code.

        Raises:
            TroubleError, TaskError, UnusableError, MemoryError: no picture can be answered, or a
                thread has failed.
        """
        with self._parts:
            self._loaded.warm_up()
            self._tell_started()
            self._reader.start()
            self._confirmation.begin()
            try:
                self._loop.run()
            finally:
                self._notifier.stopping()
                self._reader.stop()
            self._failure.raise_first()
            self._teller.event("stopped" if self._stopping else "ended")
        return BAD_INPUT if self._reader.state == "lost" and self._options.once else 0

    def _confirm(self) -> None:
        """The network has run and the page answers: the service is up."""
        if self._options.service is not None:
            listen = _REACHED.get(self._options.listen, self._options.listen)
            port = None if self._page is None else self._page.port
            try:
                confirm(self._options.service, self._here.name, listen, port)
            except OSError as error:  # a full disk is no reason to stand still
                self._teller.event("unconfirmed", why=error.strerror)
        self._notifier.ready()

    def _tell_started(self) -> None:
        details: dict[str, Any] = {"pid": os.getpid(), "release": self._here.name}
        if self._page is not None:
            address = self._options.listen
            shown = f"[{address}]" if ":" in address else address
            url = f"http://{shown}:{self._page.port}/"
            details.update(url=url, port=self._page.port)
            token = f"?token={self._page.token}" if self._page.token else ""
            if not self._options.to_stderr:
                sys.stderr.write(f"page: {url}{token}\n")
        self._teller.event("started", source=self._source_name, **details)


def _bound(address: str, port: int, actions: Actions, token: str) -> PageServer:
    try:
        return PageServer((address, port), actions, token, trusted.own_names())
    except OSError as error:
        raise TroubleError(
            f"the page cannot listen on {address}, port {port}: {error.strerror or error}",
            "Choose another --port, or --no-page.",
        ) from error


def home(here: Path) -> Path:
    """The folder that holds the releases; a release that stands alone is its own."""
    return here.parent.parent if here.parent.name == "releases" else here
