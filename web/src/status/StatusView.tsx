import { useState } from "react";
import { Link } from "wouter";
import { useAction, useCall, useJobs, useStatus } from "../api/hooks";
import { STATES, type Check, type Job, type Setting, type State } from "../api/types";
import { Icon } from "../parts/icons";
import { Empty, FaultCard, Skeleton, StateBadge, stateName, Tabs, Time } from "../parts/parts";
import { href } from "../place/codec";
import { DOCUMENTS, STATUS } from "../place/places";
import { usePlace } from "../place/usePlace";
import { messageOf } from "../shell/Drop";
import { count, plural } from "../text/format";

export default function StatusView() {
  const [place, move] = usePlace(STATUS);
  const jobs = useJobs();
  const running = jobs.data?.jobs.filter((j) => j.state === "running").length ?? 0;
  return (
    <div className="view">
      <header className="head"><h1>Status</h1></header>
      <div style={{ padding: "0 22px" }}><Tabs label="Status" value={place.tab} onChange={(tab) => move({ tab })} options={[{ value: "now", name: "Now" }, { value: "jobs", name: "Jobs", n: running || null }, { value: "checks", name: "Checks" }, { value: "settings", name: "Settings" }]} /></div>
      <div className="scroll" tabIndex={0} role="region" aria-label="Details"><div className="pad" style={{ paddingTop: 18, maxWidth: 1080 }}>
        {place.tab === "now" && <Now />}{place.tab === "jobs" && <Jobs />}{place.tab === "checks" && <Checks />}{place.tab === "settings" && <Settings />}
      </div></div>
    </div>
  );
}

const TONES: Record<string, string> = { done: "var(--good)", failed: "var(--bad)", quarantined: "var(--bad)", running: "var(--busy)", queued: "var(--rule-2)", duplicate: "var(--ink-3)", unsupported: "var(--warn)" };

function Now() {
  const status = useStatus();
  if (status.error) return <FaultCard error={status.error} retry={() => void status.refetch()} />;
  if (!status.data) return <Skeleton lines={6} />;
  const s = status.data;
  const figures: [string, number][] = [["documents", s.total], ["pages", s.n_pages], ["passages", s.n_passages], ["mentions", s.n_mentions], ["entities", s.n_entities], ["facts", s.n_facts]];
  return (
    <div style={{ display: "grid", gap: 22 }}>
      <div className="figures">{figures.map(([name, n]) => <div key={name} className="figure card"><b className="tnum">{count(n)}</b><span className="quiet">{name}</span></div>)}</div>
      <section className="card" style={{ padding: 18 }}>
        <h2 style={{ marginBottom: 4 }}>Every file is accounted for</h2>
        <p className="quiet" style={{ marginBottom: 12 }}>{s.running ? "Documents are being read now." : s.total ? "Nothing is waiting." : "Nothing was added yet."} Workspace <span className="mono">{s.workspace}</span></p>
        {s.total > 0 && <div className="stack" role="img" aria-label={STATES.map((st) => `${stateName(st)}: ${s.states[st] ?? 0}`).join(", ")}>{STATES.map((st) => (s.states[st] ?? 0) > 0 && <i key={st} style={{ flexGrow: s.states[st], background: TONES[st] }} title={`${stateName(st)}: ${s.states[st]}`} />)}</div>}
        <div className="chips" style={{ marginTop: 12 }}>{STATES.filter((st) => (s.states[st] ?? 0) > 0).map((st) => <Link key={st} href={href("/documents", DOCUMENTS, { state: [st] })} className="chip off-plain"><StateBadge state={st} /><span className="n">{count(s.states[st] ?? 0)}</span></Link>)}</div>
      </section>
      {s.failures.length > 0 && (
        <section className="card" style={{ padding: 18 }}>
          <h2 style={{ marginBottom: 8 }}>Why files were not read</h2>
          <table className="plain"><thead><tr><th>State</th><th>Reason</th><th className="right">Files</th></tr></thead>
            <tbody>{s.failures.map((f) => <tr key={`${f.state}.${f.code}`}><td><StateBadge state={f.state as State} /></td><td>{f.code.replace(/_/g, " ")}</td><td className="right tnum"><Link href={href("/documents", DOCUMENTS, { state: [f.state] })}>{count(f.n)}</Link></td></tr>)}</tbody></table>
        </section>
      )}
    </div>
  );
}

function Jobs() {
  const jobs = useJobs();
  const action = useAction(["jobs/list"]);
  if (jobs.error) return <FaultCard error={jobs.error} retry={() => void jobs.refetch()} />;
  if (!jobs.data) return <Skeleton lines={5} />;
  if (!jobs.data.jobs.length) return <Empty icon="status" title="Nothing has run yet">Adding files starts a job; it appears here with how far it is.</Empty>;
  return (
    <div style={{ display: "grid", gap: 10 }}>
      {action.fault && <FaultCard error={action.fault} />}
      {jobs.data.jobs.map((job) => <JobCard key={job.id} job={job} onCancel={() => void action.act("jobs/cancel", { id: job.id })} />)}
    </div>
  );
}

const JOB_TONES: Record<Job["state"], [string, string]> = { running: ["busy live", "Running"], done: ["good", "Done"], failed: ["bad", "Failed"], cancelled: ["idle", "Stopped"] };
const VERBS: Record<string, string> = { "documents.add": "Add documents", "documents.retry": "Read again", "entities.import": "Import entities", "export.write": "Write an export" };

function JobCard({ job, onCancel }: { job: Job; onCancel: () => void }) {
  const [asked, setAsked] = useState(false);
  const [tone, name] = JOB_TONES[job.state];
  const share = job.total ? job.done / job.total : null;
  return (
    <article className="card" style={{ padding: "12px 16px", display: "grid", gap: 8 }}>
      <div style={{ display: "flex", gap: 12, alignItems: "center" }}>
        <b style={{ fontWeight: 500 }}>{VERBS[job.service] ?? job.service}</b><span className={`state ${tone}`}>{name}</span>
        <span className="quiet">{job.total != null ? `${count(job.done)} of ${plural(job.total, "document")}` : ""}{job.stage && job.state === "running" ? ` · ${job.stage}` : ""}</span>
        <span style={{ flex: 1 }} /><span className="quiet" style={{ fontSize: 12 }}>begun <Time iso={job.started_at} /></span>
        {job.state === "running" && <button type="button" className="btn small" disabled={asked} onClick={() => { setAsked(true); onCancel(); }}><Icon name="close" />{asked ? "Stopping" : "Stop"}</button>}
      </div>
      {job.state === "running" && <div className={`bar${share === null ? " unknown" : ""}`} role="progressbar" aria-label="Progress" aria-valuemin={0} aria-valuemax={100} aria-valuenow={share === null ? undefined : Math.round(share * 100)}><i style={{ width: share === null ? undefined : `${share * 100}%` }} /></div>}
      {messageOf(job) && <p style={{ color: "var(--bad)" }}>{messageOf(job)}</p>}
      {job.reply && <details><summary className="quiet" style={{ cursor: "pointer", fontSize: 12 }}>What it answered</summary><pre className="b-code">{JSON.stringify(job.reply, null, 1)}</pre></details>}
    </article>
  );
}

function Checks() {
  const reply = useCall<{ checks: Check[] }>("system/doctor");
  if (reply.error) return <FaultCard error={reply.error} retry={() => void reply.refetch()} />;
  if (!reply.data) return <Skeleton lines={6} />;
  return (
    <div style={{ display: "grid", gap: 8 }}>
      {reply.data.checks.map((check) => (
        <div key={check.name} className="card check">
          <span className={`state ${check.ok ? "good" : "bad"}`}>{check.ok ? "Well" : "Fault"}</span><b style={{ fontWeight: 500 }}>{check.name}</b><span className="quiet" style={{ overflowWrap: "anywhere" }}>{check.detail}{check.remedy && !check.ok && <><br /><span style={{ color: "var(--ink)" }}>{check.remedy}</span></>}</span>
        </div>
      ))}
      <p><button type="button" className="btn" onClick={() => void reply.refetch()} disabled={reply.isFetching}><Icon name="retry" />{reply.isFetching ? "Checking" : "Check again"}</button></p>
    </div>
  );
}

function Settings() {
  const reply = useCall<{ settings: Setting[] }>("system/settings");
  if (reply.error) return <FaultCard error={reply.error} retry={() => void reply.refetch()} />;
  if (!reply.data) return <Skeleton lines={6} />;
  return <div className="wide-table"><table className="plain card"><thead><tr><th>Setting</th><th>Value</th><th>From</th></tr></thead><tbody>{reply.data.settings.map((s) => <tr key={s.name}><td className="mono" style={{ overflowWrap: "anywhere" }}>{s.name}</td><td className="mono" style={{ overflowWrap: "anywhere" }}>{String(s.value)}</td><td className="quiet">{s.origin}</td></tr>)}</tbody></table></div>;
}
