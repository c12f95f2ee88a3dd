import { useCallback, useMemo } from "react";
import { useLocation, useSearch } from "wouter";
import { read, write, type PlaceOf, type Spec } from "./codec";

type Change<S extends Spec> = Partial<PlaceOf<S>> | ((place: PlaceOf<S>) => Partial<PlaceOf<S>>);

/**
 * The view's state, from the address. Changing it replaces the history entry, or adds one with
 * `push`: for steps a person would want to go back from.
 */
export function usePlace<S extends Spec>(spec: S): [PlaceOf<S>, (change: Change<S>, push?: boolean) => void] {
  const [path, navigate] = useLocation();
  const search = useSearch();
  const place = useMemo(() => read(spec, search), [spec, search]);
  const move = useCallback(
    (change: Change<S>, push = false) => {
      // From the live address, not the rendered one: two changes in one tick must both count.
      const now = read(spec, window.location.search);
      const next = { ...now, ...(typeof change === "function" ? change(now) : change) };
      const wanted = write(spec, next);
      navigate(wanted ? `${path}?${wanted}` : path, { replace: !push });
    },
    [spec, path, navigate],
  );
  return [place, move];
}
