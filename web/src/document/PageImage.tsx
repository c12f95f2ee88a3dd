import { memo, useState, type CSSProperties } from "react";
import { pageImageUrl } from "../api/client";
import type { Box, Mention, Page } from "../api/types";
import { lookOf } from "../text/labels";
import { percent } from "../text/format";

/** Where a box lies over its picture, in shares of the picture. Slightly widened, so that it frames its words. */
export function placeOf(box: Box, grow = 0): CSSProperties {
  const share = (value: number) => `${(value * 100).toFixed(3)}%`;
  return { left: share(box.x0 - grow), top: share(box.y0 - grow), width: share(box.x1 - box.x0 + 2 * grow), height: share(box.y1 - box.y0 + 2 * grow) };
}

/** A page's picture with what was found laid over it. The text pane says the same in words, so boxes are hidden from readers. */
export const PageImage = memo(function PageImage({ id, version, page, name, shown, selected, onSelect }: {
  id: string; version: string; page: Page; name: string; shown: (mention: Mention) => boolean; selected: number | null; onSelect?: (mention: Mention) => void;
}) {
  const [failed, setFailed] = useState(false);
  if (failed) return <div className="page-missing">The picture of page {page.page} cannot be drawn. Its text is in the text pane.</div>;
  return (
    <>
      <img alt={`Page ${page.page} of ${name}`} decoding="async" draggable={false} onError={() => setFailed(true)}
        src={pageImageUrl(id, page.page, version, 1.5)} srcSet={`${pageImageUrl(id, page.page, version, 1.5)} 1x, ${pageImageUrl(id, page.page, version, 3)} 2x`} />
      <div aria-hidden="true">
        {page.hit_boxes.filter((b) => b.page === page.page).map((box, i) => <div key={i} className="hit-box" data-hit={i} style={placeOf(box, 0.001)} />)}
        {page.mentions.map((mention) => (shown(mention) || mention.ordinal === selected) && mention.boxes.filter((b) => b.page === page.page).map((box, i) => (
          <div key={`${mention.ordinal}.${i}`} data-m={i ? undefined : mention.ordinal} className={`box-mark hue-${lookOf(mention.label).hue}${mention.ordinal === selected ? " on" : ""}`}
            style={placeOf(box, 0.001)} title={`${lookOf(mention.label).name}: ${mention.entity_name ?? mention.surface} · ${percent(mention.score)}`} onClick={() => onSelect?.(mention)}>
            {mention.ordinal === selected && i === 0 && <span className="box-label">{lookOf(mention.label).name}</span>}
          </div>
        )))}
      </div>
    </>
  );
});
