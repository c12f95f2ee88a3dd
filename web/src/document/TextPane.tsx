import { memo, useCallback, useMemo, useRef } from "react";
import type { Block, Mention, Page, Piece } from "../api/types";
import { FaultCard, Skeleton } from "../parts/parts";
import { meaningOf } from "../text/format";
import { lookOf } from "../text/labels";
import { rowsOf, runsOf } from "../text/runs";
import type { PaneProps } from "./PagePane";
import { usePage, type Mark } from "./usePages";
import { usePageWindow } from "./useWindow";

/** The text as it was understood: blocks in reading order, with findings and hits marked. */
export function TextPane(props: PaneProps & { paged: boolean }) {
  const scroller = useRef<HTMLDivElement>(null);
  const estimate = useCallback(() => 820, []);
  const { pages } = usePageWindow({ scroller, count: props.count, estimate, jump: props.jump, page: props.page, onPage: props.onPage, gap: 0 });
  return (
    <div className="pane text-pane" ref={scroller} tabIndex={0} role="region" aria-label="Text">
      <div style={{ height: pages.getTotalSize(), position: "relative" }}>
        {pages.getVirtualItems().map((item) => (
          <div key={item.key} data-index={item.index} data-page={item.index + 1} ref={pages.measureElement} className="leaf" style={{ transform: `translateY(${item.start}px)` }}>
            <Leaf {...props} number={item.index + 1} />
          </div>
        ))}
      </div>
    </div>
  );
}

function Leaf({ number, paged, ...props }: PaneProps & { number: number; paged: boolean }) {
  const page = usePage(props.id, number, props.mark, props.query);
  if (page.error) return <FaultCard error={page.error} retry={() => void page.refetch()} />;
  return (
    <section aria-label={`Page ${number}`}>
      {props.count > 1 && <div className="leaf-number"><span className="tnum">{paged ? `Page ${number}` : number}{page.data?.label && page.data.label !== String(number) ? ` · ${page.data.label}` : ""}</span></div>}
      {page.data ? <PageText page={page.data} mark={props.mark} shown={props.shown} onSelect={props.onSelect} selected={props.selectedPage === number ? props.selected : null} />
        : <div style={{ minHeight: 700 }}><Skeleton lines={12} /></div>}
    </section>
  );
}

interface MarkProps { mentions: ReadonlyMap<number, Mention>; shown: (m: Mention) => boolean; selected: number | null; mark: Mark | null; onSelect: (m: Mention) => void }

export const PageText = memo(function PageText({ page, shown, selected, mark, onSelect }: { page: Page } & Omit<MarkProps, "mentions">) {
  const mentions = useMemo(() => new Map(page.mentions.map((m) => [m.ordinal, m])), [page]);
  const marks = { mentions, shown, selected, mark, onSelect };
  if (!page.blocks.length) return <p className="quiet">No text was found on this page.</p>;
  return <>{page.blocks.map((block) => <BlockText key={block.start} block={block} {...marks} />)}</>;
});

/** Items that bring their own number or bullet get no second one. */
const MARKED = /^\s*([•◦▪‣–—*·-]|\(?[0-9]{1,3}(\.[0-9]+)*[.)]?|\(?[a-z]{1,4}[.)])\s/i;

const FURNITURE: Record<string, string> = { page_header: "Page header", page_footer: "Page footer", boilerplate: "Around the article" };

function BlockText({ block, ...marks }: { block: Block } & MarkProps) {
  const inner = <Marked pieces={block.pieces} {...marks} />;
  switch (block.kind) {
    case "title": return <h2 className="b-title">{inner}</h2>;
    case "heading": return <h3 className={`b-heading l${Math.min(block.level, 4)}`}>{inner}</h3>;
    case "list_item": return <p className={`b-item${MARKED.test(block.pieces[0]?.text ?? "") ? " marked" : ""}`} style={{ marginLeft: `${Math.max(block.level, 1) * 18}px` }}>{inner}</p>;
    case "table": return block.cells.length ? <TableText block={block} {...marks} /> : <pre className="b-code">{inner}</pre>;
    case "code": return <pre className="b-code">{inner}</pre>;
    case "quote": return <blockquote className="b-quote">{inner}</blockquote>;
    case "caption": case "footnote": return <p className="b-small">{inner}</p>;
    case "mail_header": return <p className="b-mail">{inner}</p>;
    case "form_field": return <p className="b-field">{inner}</p>;
    case "page_header": case "page_footer": case "boilerplate": return <p className="b-furniture" title={FURNITURE[block.kind]}>{inner}</p>;
    default: return <p className="b-par">{inner}</p>;
  }
}

function TableText({ block, ...marks }: { block: Block } & MarkProps) {
  return (
    <div className="b-table" tabIndex={0} role="region" aria-label="Table">
      <table>
        <tbody>
          {rowsOf(block.cells).map((row, i) => (
            <tr key={i}>
              {row.map((cell) => {
                const Tag = cell.header ? "th" : "td";
                return <Tag key={cell.column} colSpan={cell.column_span > 1 ? cell.column_span : undefined} rowSpan={cell.row_span > 1 ? cell.row_span : undefined}><Marked pieces={cell.pieces} {...marks} /></Tag>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Marked({ pieces, mentions, shown, selected, mark, onSelect }: { pieces: readonly Piece[] } & MarkProps) {
  return (
    <>
      {runsOf(pieces, mentions, shown, selected).map((run) => {
        const current = run.hit && mark !== null && run.start >= mark.start && run.start < mark.end;
        const text = run.hit ? <mark className={`hit${current ? " cur" : ""}`} data-s={run.start}>{run.text}</mark> : run.text;
        if (!run.mention) return run.hit ? <span key={run.start}>{text}</span> : text;
        const { mention } = run;
        const look = lookOf(mention.label);
        const classes = ["men", `hue-${look.hue}`, run.first && "first", run.last && "last", mention.ordinal === selected && "on"].filter(Boolean).join(" ");
        return (
          <span key={run.start} className={classes} data-m={run.first ? mention.ordinal : undefined} data-tag={run.last ? look.tag : undefined} title={`${look.name}${mention.entity_name && mention.entity_name !== mention.surface ? `: ${mention.entity_name}` : ""}${mention.value ? `: ${meaningOf(mention.value)}` : ""}`}
            onClick={() => onSelect(mention)}>{text}</span>
        );
      })}
    </>
  );
}
