import { Menu, Modal } from "@mantine/core";
import { useCallback, useMemo, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { useAction, useStatus } from "../api/hooks";
import { useWindowed } from "../api/windowed";
import { STATES, type Doc, type DocumentList, type State } from "../api/types";
import { ExportMenu } from "../parts/ExportMenu";
import { Icon } from "../parts/icons";
import { Empty, FaultCard, IconButton, leaf, SearchBox, Skeleton, StateBadge, stateName, Time } from "../parts/parts";
import { Rows } from "../parts/Rows";
import { useTyped } from "../parts/useTyped";
import { href } from "../place/codec";
import { documentHref, DOCUMENTS, STATUS } from "../place/places";
import { useKeys } from "../place/useKeys";
import { usePlace } from "../place/usePlace";
import { AddButton } from "../shell/Drop";
import { JobBar, JobButtons, pace, underWay } from "../status/Jobs";
import { count, languageName, mediaName, plural, size } from "../text/format";

const COLUMNS = "18px minmax(220px, 1fr) minmax(150px, 0.62fr) 74px 62px 78px 118px 84px";
const TROUBLE: readonly State[] = ["failed", "quarantined", "unsupported"];

export default function Documents() {
  const [place, move] = usePlace(DOCUMENTS);
  const [, navigate] = useLocation();
  const [typed, type] = useTyped(place.q, (q) => move({ q }));
  const scroller = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [doomed, setDoomed] = useState<readonly string[] | null>(null);
  const action = useAction(["documents/list", "status/show", "jobs/list"]);
  const body = useMemo(
    () => ({
      query: place.q || null, states: place.state, media_types: place.type, sort: place.sort,
      descending: place.sort === "added" || place.sort === "size" ? !place.up : place.up,
    }),
    [place],
  );
  const list = useWindowed<DocumentList, Doc>("documents/list", body, (reply) => reply.documents);
  const { row } = list;
  const states = list.head?.states ?? {};
  const everything = STATES.reduce((n, s) => n + (states[s] ?? 0), 0);
  const narrowed = Boolean(place.q || place.state.length || place.type.length);
  const toggle = (id: string) => setChosen((before) => { const after = new Set(before); if (!after.delete(id)) after.add(id); return after; });
  const filterState = (state: State) => move({ state: place.state.includes(state) ? place.state.filter((s) => s !== state) : [...place.state, state] });
  const retry = async (given: object) => { if (await action.act("jobs/documents/retry", given)) setChosen(new Set()); };
  useKeys("lists", {
    rowDown: () => setAt((i) => Math.min(list.total - 1, (i ?? -1) + 1)),
    rowUp: () => setAt((i) => Math.max(0, (i ?? 1) - 1)),
    rowOpen: () => { const found = at === null ? undefined : row(at); if (found) navigate(documentHref(found.id)); },
    rowSelect: () => { const found = at === null ? undefined : row(at); if (found) toggle(found.id); },
  });
  const sorter = (sort: typeof place.sort, name: string, right = false) => {
    const active = place.sort === sort;
    const up = sort === "added" || sort === "size" ? place.up : !place.up;
    return (
      <span role="columnheader" className={right ? "right" : ""} aria-sort={active ? (up ? "ascending" : "descending") : "none"}>
        <button type="button" onClick={() => move({ sort, up: active ? !place.up : false })}>{name}{active && <Icon name={up ? "up" : "down"} />}</button>
      </span>
    );
  };
  const render = useCallback((index: number) => {
    const found = row(index);
    if (!found) return <div className="grid-row"><Skeleton lines={1} /></div>;
    return <DocumentRow key={found.id} doc={found} at={index === at} on={chosen.has(found.id)} onToggle={() => toggle(found.id)}
      onRetry={() => void retry({ ids: [found.id] })} onDelete={() => setDoomed([found.id])} />;
  // eslint-style dependency lists are not checked here: `row` changes with every reply
  }, [row, at, chosen]); // eslint-disable-line
  const trouble = TROUBLE.reduce((n, s) => n + (s === "unsupported" ? 0 : (states[s] ?? 0)), 0);
  return (
    <div className="view">
      <header className="head">
        <h1>Documents</h1>
        <span className="quiet tnum">{list.head ? (narrowed ? `${count(list.total)} of ${count(everything)}` : count(everything)) : ""}</span>
        <span className="grow" />
        {trouble > 0 && <button type="button" className="btn" disabled={action.busy} onClick={() => void retry({ states: ["failed", "quarantined"] })}><Icon name="retry" />Retry {plural(trouble, "failed file")}</button>}
        <ExportMenu what="documents" total={list.total} noun="document" filters={{ query: place.q || undefined, states: place.state.join(",") || undefined, media_types: place.type.join(",") || undefined }} />
        <AddButton main />
      </header>
      <div className="tools">
        <SearchBox value={typed} onChange={type} label="Find by name" placeholder="Find by name or title" />
        <div className="chips" role="group" aria-label="Filter by state">
          {STATES.filter((s) => (states[s] ?? 0) > 0 || place.state.includes(s)).map((s) => (
            <button key={s} type="button" className="chip" aria-pressed={place.state.includes(s)} onClick={() => filterState(s)}>{stateName(s)} <span className="n">{count(states[s] ?? 0)}</span></button>
          ))}
        </div>
        {(list.head?.media_types.length ?? 0) > 1 || place.type.length ? (
          <Menu position="bottom-end" closeOnItemClick={false} width={230}>
            <Menu.Target><button type="button" className="btn small">{place.type.length ? place.type.map(mediaName).join(", ") : "Any kind"}<Icon name="down" /></button></Menu.Target>
            <Menu.Dropdown mah={360} style={{ overflow: "auto" }}>
              {place.type.length > 0 && <Menu.Item onClick={() => move({ type: [] })}>Any kind</Menu.Item>}
              {list.head?.media_types.map((facet) => (
                <Menu.Item key={facet.value} leftSection={<input type="checkbox" readOnly tabIndex={-1} checked={place.type.includes(facet.value)} aria-label={mediaName(facet.value)} />} rightSection={<span className="quiet tnum">{count(facet.n)}</span>}
                  onClick={() => move({ type: place.type.includes(facet.value) ? place.type.filter((t) => t !== facet.value) : [...place.type, facet.value] })}>
                  {mediaName(facet.value)}
                </Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
        ) : null}
        {narrowed && <button type="button" className="btn bare small" onClick={() => { type(""); move({ q: "", state: [], type: [] }); }}>Clear</button>}
      </div>
      {chosen.size > 0 && (
        <div className="selbar" role="region" aria-label="Selected documents">
          <b>{plural(chosen.size, "document")} selected</b>
          <button type="button" className="btn small" onClick={() => void retry({ ids: [...chosen] })}><Icon name="retry" />Read again</button>
          <button type="button" className="btn small bad" onClick={() => setDoomed([...chosen])}><Icon name="trash" />Delete</button>
          <button type="button" className="btn bare small" onClick={() => setChosen(new Set())}>Let go</button>
        </div>
      )}
      <UnderWay />
      {action.fault && <div className="pad"><FaultCard error={action.fault} /></div>}
      <div className="scroll" ref={scroller} tabIndex={-1}>
        {list.error ? <div className="pad"><FaultCard error={list.error} retry={list.refetch} /></div>
          : list.pending ? <div className="pad"><Skeleton lines={9} height={26} /></div>
          : list.total === 0 ? (narrowed
            ? <Empty icon="search" title="Nothing fits" actions={<button type="button" className="btn" onClick={() => { type(""); move({ q: "", state: [], type: [] }); }}>Clear the filters</button>}>No document has that name, state and kind.</Empty>
            : <Empty icon="documents" title="No documents yet" actions={<AddButton main>Choose files</AddButton>}>Drop files or a folder anywhere in this window: PDF, Word, slides, tables, mail, web pages, scans, archives. Nothing leaves this machine.</Empty>)
          : (
            <div className="table-of-documents" style={{ "--cols": COLUMNS } as React.CSSProperties} role="region" aria-label="Documents">
              <div className="grid-head" role="row">
                <span /><span style={{ display: "contents" }}>{sorter("name", "Name")}</span>{sorter("state", "State")}
                <span>Kind</span><span className="right">Pages</span>{sorter("size", "Size", true)}{sorter("added", "Added")}<span />
              </div>
              <Rows total={list.total} scroller={scroller} estimate={54} row={render} label="Documents" at={at} near={list.near} top={30} />
            </div>
          )}
      </div>
      <Modal opened={doomed !== null} onClose={() => setDoomed(null)} title={`Delete ${plural(doomed?.length ?? 0, "document")}?`} closeButtonProps={{ "aria-label": "Close" }} centered>
        <div className="form">
          <p>Its text, its findings and what they added to entities and facts go with it, and so do documents inside it (attachments, archive members). Your own file stays where it is.</p>
          {doomed?.length === 1 && <p className="quiet mono">{nameOf(doomed[0]!, list)}</p>}
          <div className="row">
            <button type="button" className="btn" data-autofocus onClick={() => setDoomed(null)}>Keep</button>
            <button type="button" className="btn bad" disabled={action.busy} onClick={() => void action.act("documents/delete", { ids: doomed }).then(() => { setDoomed(null); setChosen(new Set()); })}><Icon name="trash" />Delete</button>
          </div>
        </div>
      </Modal>
    </div>
  );
}

/** How far the jobs are that work on documents, with the buttons that hold and stop them. */
function UnderWay() {
  const status = useStatus();
  const action = useAction(["jobs/list", "status/show"]);
  if (!status.data?.jobs.length) return null;
  return (
    <div className="under-way" role="region" aria-label="Under way">
      {action.fault && <FaultCard error={action.fault} />}
      {underWay(status.data.jobs).slice(0, 3).map((job) => (
        <div key={job.id} className="job-head"><span className="quiet tnum">{job.state === "paused" ? "Paused" : job.state === "queued" ? "Waiting" : "Reading"}{pace(job) && ` · ${pace(job)}`}</span>
          <span className="grow"><JobBar job={job} /></span><JobButtons job={job} act={(verb) => void action.act(`jobs/${verb}`, { id: job.id })} /></div>
      ))}
      {status.data.jobs.length > 3 && <Link href={href("/status", STATUS, { tab: "jobs" })}>{count(status.data.jobs.length - 3)} more</Link>}
    </div>
  );
}

function nameOf(id: string, list: { row: (i: number) => Doc | undefined; total: number }): string {
  for (let i = 0; i < Math.min(list.total, 2000); i++) if (list.row(i)?.id === id) return list.row(i)!.name;
  return "";
}

function DocumentRow({ doc, at, on, onToggle, onRetry, onDelete }: { doc: Doc; at: boolean; on: boolean; onToggle: () => void; onRetry: () => void; onDelete: () => void }) {
  const name = leaf(doc.name);
  const folder = doc.name.slice(0, doc.name.length - name.length).replace(/[/!]$/, "");
  const ended = TROUBLE.includes(doc.state);
  return (
    <div className={`grid-row${at ? " at" : ""}${on ? " on" : ""}`}>
      <input type="checkbox" checked={on} onChange={onToggle} aria-label={`Select ${name}`} />
      <div className={`name-cell${doc.parent_id ? " child" : ""}`}>
        <Link href={documentHref(doc.id)} className="clip" title={doc.name}>{doc.title || name}</Link>
        <span className="sub"><span className="clip">{doc.title ? name : folder || (doc.language && doc.language !== "und" ? languageName(doc.language) : "")}</span>
          {doc.parent_id && <Link className="clip" style={{ flex: "0 1 auto" }} href={documentHref(doc.parent_id)}>inside another</Link>}</span>
      </div>
      <div className="state-cell">
        <StateBadge state={doc.state} stage={doc.stage} />
        {doc.state === "duplicate" && doc.duplicate_of && <div className="reason">Same bytes as <Link href={documentHref(doc.duplicate_of)}>another document</Link></div>}
        {ended && doc.reason && <div className="reason">{doc.reason}</div>}
        {doc.state === "done" && doc.notes.length > 0 && <div className="reason" title={doc.notes.join("\n")}><span style={{ color: "var(--warn)" }}>Note:</span> {doc.notes[0]}{doc.notes.length > 1 && ` (and ${doc.notes.length - 1} more)`}</div>}
      </div>
      <span className="quiet extra">{doc.media_type ? mediaName(doc.media_type) : "–"}</span>
      <span className="right tnum quiet extra">{doc.n_pages ? count(doc.n_pages) : "–"}</span>
      <span className="right tnum quiet extra">{size(doc.size_bytes)}</span>
      <span className="quiet extra"><Time iso={doc.added_at} /></span>
      <div className="acts">
        {doc.state !== "running" && doc.state !== "queued" && doc.state !== "duplicate" && <IconButton icon="retry" label={`Read ${name} again`} onClick={onRetry} />}
        <IconButton icon="trash" label={`Delete ${name}`} onClick={onDelete} />
      </div>
    </div>
  );
}
