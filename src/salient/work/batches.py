"""Items into batches of about equal work, so that sending costs little and nobody waits long."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Container, Iterator, Sequence

from salient.work import MAIN, OCR, Item

MOST = 1000  # items in a batch
_RAMP = 32  # the first batches are so much smaller: workers start at once, and costs are learnt
_WEIGHT = 0.2  # of the newest batch in the running mean of seconds an item


class _Waiting:
    """Items of a queue that were taken and are in no batch yet, and what they cost together."""

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self._known_s = 0.0
        self._n_unknown = 0

    def put(self, item: Item) -> None:
        self.items.append(item)
        self._count(item, 1)

    def get(self) -> Item:
        item = self.items.popleft()
        self._count(item, -1)
        return item

    def cost(self, unknown_s: float) -> float:
        """Seconds of all, where one that nobody knows takes `unknown_s`."""
        return self._known_s + self._n_unknown * unknown_s

    def _count(self, item: Item, sign: int) -> None:
        if item.cost_s:
            self._known_s += sign * item.cost_s
        else:
            self._n_unknown += sign


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
        self._waiting: defaultdict[str, _Waiting] = defaultdict(_Waiting)
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
        if fullest is None:
            return None
        unknown_s = self._unknown_s
        target_s = self._target_s
        if self.exhausted:
            target_s = min(target_s, fullest.cost(unknown_s) / (2 * slots))
        batch = [fullest.get()]
        cost = batch[0].cost_s or unknown_s
        while fullest.items and len(batch) < self._most:
            cost += fullest.items[0].cost_s or unknown_s
            if cost > target_s:
                break
            batch.append(fullest.get())
        self._made += 1
        if self._made % slots == 0:
            self._target_s = min(self._batch_s, 2 * self._target_s)
        return batch

    @property
    def _unknown_s(self) -> float:
        # At first one by one, until the first have come back, since any may be slow.
        return self._mean_s or self._target_s

    def _take(self) -> None:
        """Take about a batch's worth from the stream."""
        cost = 0.0
        for _ in range(self._most):
            item = next(self._items, None)
            if item is None:
                self.exhausted = True
                return
            self._waiting[item.queue].put(item)
            cost += item.cost_s or self._unknown_s
            if cost >= self._target_s:
                return

    def _fullest(self, full: Container[str]) -> _Waiting | None:
        open_ = [queue for name, queue in self._waiting.items() if queue.items and name not in full]
        return max(open_, key=lambda queue: len(queue.items), default=None)

    def _enough(self, slots: int, full: Container[str]) -> bool:
        # What for a queue that has room is only looked for where the stream has had such.
        if all(name in full for name in self._waiting or (MAIN, OCR)):
            return True
        if sum(len(queue.items) for queue in self._waiting.values()) >= slots * self._most:
            return True
        fullest = self._fullest(full)
        return fullest is not None and fullest.cost(self._unknown_s) >= slots * self._target_s
