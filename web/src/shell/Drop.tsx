import { useEffect, useRef, useState, type ReactNode } from "react";
import { Link } from "wouter";
import { useJobs } from "../api/hooks";
import { STATES, type Job, type State } from "../api/types";
import { IconButton, stateName } from "../parts/parts";
import { Icon } from "../parts/icons";
import { DOCUMENTS } from "../place/places";
import { href } from "../place/codec";
import { percent, plural, size } from "../text/format";
import { dropped, forgetBatches, send, useBatches, type Batch } from "./uploads";

/** Takes files dropped anywhere in the window. */
export function DropAnywhere() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0; // enter and leave fire for every element crossed
    const withFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (event: DragEvent) => { if (withFiles(event)) { depth++; setOver(true); event.preventDefault(); } };
    const leave = (event: DragEvent) => { if (withFiles(event) && --depth <= 0) { depth = 0; setOver(false); } };
    const hover = (event: DragEvent) => { if (withFiles(event)) { event.preventDefault(); event.dataTransfer!.dropEffect = "copy"; } };
    const drop = (event: DragEvent) => {
      if (!withFiles(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      void dropped(event.dataTransfer!).then((files) => (files.length ? send(files) : undefined));
    };
    const pairs = [["dragenter", enter], ["dragleave", leave], ["dragover", hover], ["drop", drop]] as const;
    for (const [name, on] of pairs) window.addEventListener(name, on as EventListener);
    return () => { for (const [name, on] of pairs) window.removeEventListener(name, on as EventListener); };
  }, []);
  if (!over) return null;
  return (
    <div className="drop" role="status">
      <div>
        <Icon name="upload" />
        <h2>Drop to add</h2>
        <p className="quiet">Files and folders, of any kind. Each one is accounted for.</p>
      </div>
    </div>
  );
}

export function AddButton({ main = false, children = "Add files" }: { main?: boolean; children?: ReactNode }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" className={`btn${main ? " main" : ""}`} onClick={() => input.current?.click()}><Icon name="upload" />{children}</button>
      <input ref={input} type="file" multiple hidden aria-label="Files to add" onChange={(event) => {
        const files = [...(event.target.files ?? [])].map((file) => ({ name: file.name, file }));
        event.target.value = "";
        if (files.length) void send(files);
      }} />
    </>
  );
}

/** What was sent in this tab, with how far each batch is. */
export function Uploads() {
  const batches = useBatches();
  const jobs = useJobs();
  if (!batches.length) return null;
  const byId = new Map((jobs.data?.jobs ?? []).map((job) => [job.id, job]));
  const open = batches.filter((b) => !b.fault && (!b.jobId || isOpen(byId.get(b.jobId)))).length;
  return (
    <section className="uploads" aria-label="Files being added">
      <header>
        <Icon name={open ? "upload" : "check"} />
        <span aria-live="polite">{open ? `Adding ${plural(batches.reduce((n, b) => n + b.names.length, 0), "file")}` : "All files are accounted for"}</span>
        <span className="grow" />
        <IconButton icon="close" label="Close" onClick={forgetBatches} />
      </header>
      <ol>{batches.map((batch) => <BatchLine key={batch.id} batch={batch} job={batch.jobId ? byId.get(batch.jobId) : undefined} />)}</ol>
    </section>
  );
}

/** Whether a job goes on; one that was not heard of yet does. */
const isOpen = (job: Job | undefined): boolean => !job || job.state === "queued" || job.state === "running" || job.state === "paused";

/** A failed job's own words. */
export const messageOf = (job: Job | undefined): string | null => (typeof job?.error?.message === "string" ? job.error.message : null);

/** How the files of a finished job ended, in one line. */
export function outcomeOf(job: Job): string {
  const states = (job.reply as { states?: Partial<Record<State, number>> } | null)?.states ?? {};
  return STATES.filter((s) => states[s]).map((s) => `${states[s]} ${stateName(s).toLowerCase()}`).join(", ") || "Done";
}

function BatchLine({ batch, job }: { batch: Batch; job: Job | undefined }) {
  const name = batch.names.length === 1 ? batch.names[0]! : `${batch.names[0]} and ${batch.names.length - 1} more`;
  const sending = !batch.jobId && !batch.fault;
  // Files are counted as the server comes to them; those still to come count too.
  const total = job?.total ? Math.max(job.total, batch.names.length) : 0;
  const share = sending ? (batch.bytes ? batch.sent / batch.bytes : 1) : isOpen(job) ? (job && total ? job.done / total : null) : 1;
  const told = batch.fault ?? messageOf(job)
    ?? (sending ? `Sending ${size(batch.sent)} of ${size(batch.bytes)}`
      : isOpen(job) ? (job?.state === "paused" ? "Paused" : job && total ? `${job.done} of ${total}${job.stage ? ` · ${job.stage}` : ""}` : job?.state === "running" ? "Starting" : "Waiting for its turn")
      : job?.state === "done" ? outcomeOf(job) : "Stopped");
  return (
    <li>
      <div className="line"><span className="clip" style={{ flex: 1 }} title={batch.names.join("\n")}>{name}</span>
        {job?.state === "done" && <Link href={href("/documents", DOCUMENTS, { q: batch.names.length === 1 ? batch.names[0]!.split("/").at(-1)! : "" })}>Show</Link>}
      </div>
      <div className={`bar${share === null ? " unknown" : ""}`} role="progressbar" aria-label={name} aria-valuemin={0} aria-valuemax={100} aria-valuenow={share === null ? undefined : Math.round(share * 100)}>
        <i style={{ width: share === null ? undefined : percent(share), background: batch.fault || job?.state === "failed" ? "var(--bad)" : undefined }} />
      </div>
      <span className="quiet">{told}</span>
    </li>
  );
}
