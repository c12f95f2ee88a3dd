import { useEffect, useRef } from "react";
import { KEYS, press, type Key, type KeyId, type Scope } from "./keys";

type Handlers = Partial<Record<KeyId, () => void>>;

/** Keys belong to people typing, to open dialogs and to the browser before they belong to us. */
function taken(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return true;
  const target = event.target as HTMLElement | null;
  if (target?.closest("input, textarea, select, [contenteditable=true], [role=menu], [role=listbox]")) return true;
  if (event.key === "Enter" && target?.closest("a, button, summary")) return true;
  return document.querySelector("[role=dialog][aria-modal=true]") !== null;
}

/** Listen for the keys of `scope` while the component is there. Handlers may change every render. */
export function useKeys(scope: Scope, handlers: Handlers): void {
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  useEffect(() => {
    let pending = "";
    let forget = 0;
    const onKey = (event: KeyboardEvent) => {
      if (taken(event)) return;
      const live = KEYS.filter((k: Key) => k.scope === scope);
      // The first half of any pair stays pending in every listener, so `g j` never fires a bare `j`.
      const waiting = pending;
      const led = KEYS.some((k: Key) => k.keys.some((s) => s.startsWith(`${event.key} `)));
      const found = press(event.key, pending, live);
      pending = !waiting && led ? event.key : "";
      window.clearTimeout(forget);
      forget = window.setTimeout(() => (pending = ""), 1200);
      if (!found.id || (waiting && !live.some((k) => k.id === found.id && k.keys.some((s) => s.startsWith(`${waiting} `))))) return;
      const handler = latest.current[found.id as KeyId];
      if (!handler) return;
      event.preventDefault();
      handler();
    };
    window.addEventListener("keydown", onKey);
    return () => {
      window.removeEventListener("keydown", onKey);
      window.clearTimeout(forget);
    };
  }, [scope]);
}
