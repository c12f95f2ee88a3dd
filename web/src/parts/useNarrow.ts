import { useSyncExternalStore } from "react";

/** Widths below which panes stand one at a time; `document.css` and `views.css` break at the same ones. */
export const PANES_PX = 900;
export const SIDE_PX = 1000;

/** Whether the window is at most `px` wide, as it changes. */
export function useNarrow(px: number): boolean {
  return useSyncExternalStore(
    (tell) => {
      const query = window.matchMedia(`(max-width: ${px}px)`);
      query.addEventListener("change", tell);
      return () => query.removeEventListener("change", tell);
    },
    () => window.matchMedia(`(max-width: ${px}px)`).matches,
  );
}
