import { useEffect, useRef, useState } from "react";

/** A text box that answers at once and tells the address only when typing pauses. */
export function useTyped(settled: string, settle: (value: string) => void, wait = 250): [string, (value: string) => void] {
  const [typed, setTyped] = useState(settled);
  const sent = useRef(settled);
  const later = useRef(0);
  const latest = useRef(settle);
  useEffect(() => {
    latest.current = settle;
  });
  useEffect(() => {
    // A change from elsewhere (back button, cleared filters) wins over what was typed before it.
    if (settled !== sent.current) {
      window.clearTimeout(later.current);
      sent.current = settled;
      setTyped(settled);
    }
  }, [settled]);
  useEffect(() => () => window.clearTimeout(later.current), []);
  return [
    typed,
    (value) => {
      setTyped(value);
      window.clearTimeout(later.current);
      later.current = window.setTimeout(() => {
        sent.current = value;
        latest.current(value);
      }, value ? wait : 0);
    },
  ];
}
