import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useRef, type RefObject } from "react";

/** Where the panes should go: a page, and in it the first element that fits `find`. */
export interface Jump { page: number; find: string | null; serial: number }

/** So long a target stays in sight while pages around it still arrive; a person who scrolls ends it. */
const HELD_MS = 2500;

/**
 * One scrolling pane of pages, windowed, that obeys jumps and tells which page it shows.
 *
 * A pane tells its page only while the person scrolls it (`led`): a pane that follows must not lead.
 */
export function usePageWindow({ scroller, count, estimate, jump, page, onPage, overscan = 1, gap = 14 }: {
  scroller: RefObject<HTMLDivElement | null>;
  count: number;
  estimate: (index: number) => number;
  jump: Jump;
  page: number;
  onPage: (page: number) => void;
  overscan?: number;
  gap?: number;
}) {
  const led = useRef(0);
  const pages = useVirtualizer({ count, getScrollElement: () => scroller.current, estimateSize: estimate, overscan, gap, paddingStart: gap, paddingEnd: gap });
  const shown = useRef(page);
  const tell = useRef(onPage);
  useEffect(() => {
    tell.current = onPage;
  });

  useEffect(() => {
    const pane = scroller.current;
    if (!pane) return;
    const lead = () => (led.current = performance.now());
    const onScroll = () => {
      const middle = pane.scrollTop + pane.clientHeight * 0.4;
      const item = pages.getVirtualItems().find((v) => v.start <= middle && v.end > middle);
      if (!item) return;
      shown.current = item.index + 1;
      if (leads(led.current)) {
        lead(); // momentum goes on after the last wheel event
        tell.current(item.index + 1);
      }
    };
    const starts = ["wheel", "touchmove", "pointerdown", "keydown"] as const;
    for (const name of starts) pane.addEventListener(name, lead, { passive: true });
    pane.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      for (const name of starts) pane.removeEventListener(name, lead);
      pane.removeEventListener("scroll", onScroll);
    };
  }, [scroller, pages]);

  // Follow the other pane, page by page.
  useEffect(() => {
    if (shown.current !== page && !leads(led.current)) {
      pages.scrollToIndex(page - 1, { align: "start" });
      shown.current = page;
    }
  }, [page, pages]);

  useEffect(() => {
    if (!jump.serial || !scroller.current) return;
    led.current = 0;
    const pane = scroller.current;
    const target = () => (jump.find ? pane.querySelector(jump.find) : null);
    if (!target()) pages.scrollToIndex(jump.page - 1, { align: "start" });
    shown.current = jump.page;
    // Pages arrive and find their height after the first scroll; hold the target until they settle.
    const began = performance.now();
    let seen = 0;
    let frame = 0;
    const settle = () => {
      const element = target();
      if (element) {
        // By the virtualizer, for it goes on correcting an earlier scroll to the page for seconds.
        const offset = offsetOf(pane, element);
        if (offset !== null) pages.scrollToOffset(offset);
        seen ||= performance.now();
      } else if (jump.find && performance.now() - began < 400) pages.scrollToIndex(jump.page - 1, { align: "start" });
      if (led.current) return; // the person took over
      if (jump.find && (seen ? performance.now() - seen < HELD_MS : performance.now() - began < 4000)) frame = requestAnimationFrame(settle);
    };
    frame = requestAnimationFrame(settle);
    return () => cancelAnimationFrame(frame);
  }, [jump, pages, scroller]);

  // Other sizes must not move what is read: the same share of the same page stays at the top.
  const kept = useRef<{ index: number; share: number } | null>(null);
  const remeasure = useCallback(() => {
    const pane = scroller.current;
    const item = pane ? pages.getVirtualItemForOffset(pane.scrollTop) : undefined;
    if (pane && item) kept.current = { index: item.index, share: (pane.scrollTop - item.start) / item.size };
    pages.measure(); // renders again, with the new sizes in place when the layout effect runs
  }, [pages, scroller]);
  useLayoutEffect(() => {
    const now = kept.current && pages.measurementsCache[kept.current.index];
    if (now && scroller.current) scroller.current.scrollTop = now.start + kept.current!.share * now.size;
    kept.current = null;
  });

  return { pages, remeasure };
}

/** Whether somebody scrolled the pane by hand just now; `at` is when, 0 for never. */
const leads = (at: number) => at > 0 && performance.now() - at < 700;

/** Where the pane should scroll to show an element; null when it is well in sight. */
function offsetOf(pane: HTMLElement, element: Element): number | null {
  const outer = pane.getBoundingClientRect();
  const inner = element.getBoundingClientRect();
  if (inner.top >= outer.top + 28 && inner.bottom <= outer.bottom - 28) return null;
  const wanted = pane.scrollTop + inner.top - outer.top - outer.height * 0.3;
  const offset = Math.max(0, Math.min(wanted, pane.scrollHeight - pane.clientHeight));
  return Math.abs(offset - pane.scrollTop) < 1 ? null : offset;
}
