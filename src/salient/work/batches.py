"""Items into batches of about equal work, so that sending costs little and nobody waits long."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Container, Iterator, Sequence
from itertools import islice

from salient.work import MAIN, OCR, Item

MOST = 1000  # items in a batch
_RAMP = 32  # the first batches are so much smaller: workers start at once, and costs are learnt
_WEIGHT = 0.2  # of the newest batch in the running mean of seconds an item


class Batcher:
    """Cuts a stream of items into batches.

    - No more is taken from the stream than the workers need next.
    - Batches begin small and double up to `batch_s` seconds of expected work.
    - At the end, what is left is shared out, so that workers end at about the same time.
    """

    def __init__(self, items: Iterator[Item], batch_s: float, most: int = MOST) -> None:
        self._items = items
        self._batch_s = batch_s
        self._target_s = batch_s / _RAMP
        self._most = most
        self._mean_s = 0.0
        self._made = 0
        self._waiting: defaultdict[str, deque[Item]] = defaultdict(deque)
        self.exhausted = False

    def observe(self, batch: Sequence[Item], seconds: float) -> None:
        """Learn from a batch that took so long."""
        mean = seconds / max(1, len(batch))
        self._mean_s = mean if not self._mean_s else _WEIGHT * mean + (1 - _WEIGHT) * self._mean_s

    def next(self, slots: int, full: Container[str] = ()) -> list[Item] | None:
        """The next batch, all of one queue; None when there is none to send now.

        Args:
            slots: batches that are worked on at once.
            full: queues that want no more for now.
        """
        # Enough for all slots: whether the end is near shows only so.
        while not self.exhausted and not self._enough(slots, full):
            self._take()
        fullest = self._fullest(full)
        if not fullest:
            return None
        target_s = self._target_s
        if self.exhausted:
            left = sum(self._cost(item) for item in fullest)
            target_s = min(target_s, left / (2 * slots))
        batch = [fullest.popleft()]
        cost = self._cost(batch[0])
        while fullest and len(batch) < self._most and cost + self._cost(fullest[0]) <= target_s:
            batch.append(fullest.popleft())
            cost += self._cost(batch[-1])
        self._made += 1
        if self._made % slots == 0:
            self._target_s = min(self._batch_s, 2 * self._target_s)
        return batch

    def _take(self) -> None:
        """Take about a batch's worth from the stream."""
        n = 1
        if self._mean_s:
            n = max(1, min(self._most, int(self._target_s / self._mean_s)))
        taken = list(islice(self._items, n))
        self.exhausted = len(taken) < n
        for item in taken:
            self._waiting[item.queue].append(item)

    def _fullest(self, full: Container[str]) -> deque[Item] | None:
        open_ = [queue for name, queue in self._waiting.items() if queue and name not in full]
        return max(open_, key=len, default=None)

    def _enough(self, slots: int, full: Container[str]) -> bool:
        if self._keeps_all(full) or sum(map(len, self._waiting.values())) >= slots * self._most:
            return True
        fullest = self._fullest(full)
        if not fullest:
            return False
        return len(fullest) * self._cost(fullest[0]) >= slots * self._target_s

    @staticmethod
    def _keeps_all(full: Container[str]) -> bool:
        return all(name in full for name in (MAIN, OCR))

    def _cost(self, item: Item) -> float:
        # Unknown at first: one by one until the first have come back, since any may be slow.
        return item.cost_s or self._mean_s or self._target_s
