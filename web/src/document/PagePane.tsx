import { useCallback, useEffect, useRef, useState } from "react";
import type { Mention } from "../api/types";
import { FaultCard } from "../parts/parts";
import { PageImage } from "./PageImage";
import { usePage, type Mark } from "./usePages";
import { usePageWindow, type Jump } from "./useWindow";

export interface PaneProps {
  id: string;
  version: string;
  name: string;
  count: number;
  mark: Mark | null;
  query: string;
  page: number;
  jump: Jump;
  selected: number | null;
  selectedPage: number | null;
  shown: (mention: Mention) => boolean;
  onSelect: (mention: Mention) => void;
  onPage: (page: number) => void;
}

const A4 = 842 / 595;

/** The pages as they look, one under the other. */
export function PagePane(props: PaneProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(560);
  const aspects = useRef(new Map<number, number>());
  useEffect(() => {
    const pane = scroller.current;
    if (!pane) return;
    const watch = new ResizeObserver(() => setWidth(Math.min(pane.clientWidth - 32, 980)));
    watch.observe(pane);
    return () => watch.disconnect();
  }, []);
  const estimate = useCallback((i: number) => width * (aspects.current.get(i + 1) ?? aspects.current.values().next().value ?? A4), [width]);
  const { pages, remeasure } = usePageWindow({ scroller, count: props.count, estimate, jump: props.jump, page: props.page, onPage: props.onPage });
  useEffect(remeasure, [width, remeasure]);
  const learn = useCallback((page: number, aspect: number) => {
    const known = aspects.current.get(page) ?? aspects.current.values().next().value ?? A4;
    aspects.current.set(page, aspect);
    if (Math.abs(known - aspect) > 0.004 || aspects.current.size === 1) remeasure();
  }, [remeasure]);
  return (
    <div className="pane page-pane" ref={scroller} tabIndex={0} role="region" aria-label="Pages as they look">
      <div style={{ height: pages.getTotalSize(), position: "relative" }}>
        {pages.getVirtualItems().map((item) => (
          <div key={item.key} className="sheet" data-page={item.index + 1} style={{ width, height: item.size, transform: `translate(-50%, ${item.start}px)` }}>
            <Sheet {...props} number={item.index + 1} learn={learn} />
          </div>
        ))}
      </div>
    </div>
  );
}

function Sheet({ number, learn, ...props }: PaneProps & { number: number; learn: (page: number, aspect: number) => void }) {
  const page = usePage(props.id, number, props.mark, props.query);
  const { width_pt, height_pt } = page.data ?? { width_pt: 0, height_pt: 0 };
  useEffect(() => {
    if (width_pt > 0 && height_pt > 0) learn(number, height_pt / width_pt);
  }, [number, width_pt, height_pt, learn]);
  if (page.error) return <div style={{ padding: 16 }}><FaultCard error={page.error} retry={() => void page.refetch()} /></div>;
  return (
    <>
      <span className="sheet-number tnum">{number}{page.data?.ocr ? " · read from the picture" : ""}</span>
      {page.data && <PageImage id={props.id} version={props.version} page={page.data} name={props.name} shown={props.shown} onSelect={props.onSelect}
        selected={props.selectedPage === number ? props.selected : null} />}
    </>
  );
}
