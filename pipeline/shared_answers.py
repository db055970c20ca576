"""One answer for all who ask the same at about the same time: several open pages cost the database one."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from pipeline.clock import Clock, SystemClock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedAnswers(Generic[K, V]):
    """Answers that are made once and handed out for `fresh_for` seconds; errors likewise.

    Who asks while the answer is being made waits for it; one that is not `whole` is for those alone. At most `limit`
    answers are kept, the oldest go first.
    `made` and `shared` count the answers that were made for who asked, and those that were there for it.
    """

    def __init__(
        self,
        make: Callable[[K], V],
        fresh_for: float,
        *,
        limit: int = 64,
        whole: Callable[[V], bool] = lambda _: True,
        clock: Clock | None = None,
    ) -> None:
        self._make, self._fresh_for, self._limit, self._whole = make, fresh_for, limit, whole
        self._clock = clock or SystemClock()
        self.made = self.shared = 0
        self._lock = threading.Lock()
        self._answers: OrderedDict[K, tuple[Future[V], list[float]]] = OrderedDict()

    def get(self, key: K, fresh_for: float | None = None) -> V:
        """The answer, which may be `fresh_for` seconds old where that is given; raises what making it raised."""
        limit = self._fresh_for if fresh_for is None else fresh_for
        with self._lock:
            future, done_at = self._answers.get(key, (None, []))
            mine = future is None or bool(done_at and self._clock.monotonic() - done_at[0] >= limit)
            if future is None or mine:
                future, done_at = Future(), []
                self._answers.pop(key, None)
                self._answers[key] = future, done_at
                while len(self._answers) > self._limit:
                    self._answers.popitem(last=False)
                self.made += 1
            else:
                self.shared += 1
        if mine:
            is_whole = True
            try:
                answer = self._make(key)
                is_whole = self._whole(answer)
                future.set_result(answer)
            except Exception as error:
                future.set_exception(error)
            finally:
                done_at.append(self._clock.monotonic() if is_whole else -math.inf)
        return future.result()

    def forget(self) -> None:
        """Make every answer anew when it is asked for."""
        with self._lock:
            self._answers.clear()
