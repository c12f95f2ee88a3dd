import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useReducer, type ReactNode, type RefObject } from "react";

/** A windowed list: only the rows near the window are in the page, whatever the total. */
export function Rows({ total, scroller, estimate, row, label, at, near, top = 0 }: {
  total: number;
  scroller: RefObject<HTMLElement | null>;
  estimate: number;
  row: (index: number) => ReactNode;
  label: string;
  /** The row to keep in sight. */
  at?: number | null;
  /** Told which rows are in the window, so that they can be fetched. */
  near?: (first: number, last: number) => void;
  /** Height of what stands above the rows inside the scroller. */
  top?: number;
}) {
  const window_ = useVirtualizer({
    count: total, getScrollElement: () => scroller.current, estimateSize: () => estimate, overscan: 8, scrollMargin: top,
  });
  // A scroller that mounts together with its rows has no element yet when they first look for it.
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(again, [again]);
  const items = window_.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => near?.(first, last), [near, first, last]);
  useEffect(() => {
    if (at != null && at >= 0 && at < total) window_.scrollToIndex(at, { align: "auto" });
  }, [at, total, window_]);
  return (
    <div role="list" aria-label={label} style={{ height: window_.getTotalSize(), position: "relative" }}>
      {items.map((item) => (
        <div key={item.key} role="listitem" aria-setsize={total} aria-posinset={item.index + 1} data-index={item.index} ref={window_.measureElement}
          style={{ position: "absolute", insetInline: 0, top: 0, transform: `translateY(${item.start - top}px)` }}>
          {row(item.index)}
        </div>
      ))}
    </div>
  );
}
