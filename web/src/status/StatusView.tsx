import { Link } from "wouter";
import { useCall, useStatus } from "../api/hooks";
import { STATES, type Check, type Setting, type State, type Status } from "../api/types";
import { Icon } from "../parts/icons";
import { FaultCard, Skeleton, StateBadge, stateName, Tabs } from "../parts/parts";
import { href } from "../place/codec";
import { DOCUMENTS, STATUS } from "../place/places";
import { usePlace } from "../place/usePlace";
import { count, duration, speed } from "../text/format";
import DeadView from "./Dead";
import { JobList, Jobs, underWay } from "./Jobs";
import { WorkersCard } from "./WorkersCard";

export default function StatusView() {
  const [place, move] = usePlace(STATUS);
  const status = useStatus();
  const given = (status.data?.states.quarantined ?? 0) + (status.data?.n_dead_letters ?? 0);
  return (
    <div className="view">
      <header className="head"><h1>Status</h1></header>
      <div style={{ padding: "0 22px" }}><Tabs label="Status" value={place.tab} onChange={(tab) => move({ tab })} options={[{ value: "now", name: "Now" }, { value: "jobs", name: "Jobs", n: status.data?.jobs.length || null }, { value: "dead", name: "Given up", n: given || null }, { value: "checks", name: "Checks" }, { value: "settings", name: "Settings" }]} /></div>
      <div className="scroll" tabIndex={0} role="region" aria-label="Details"><div className="pad" style={{ paddingTop: 18, maxWidth: 1080 }}>
        {place.tab === "now" && <Now />}{place.tab === "jobs" && <Jobs />}{place.tab === "dead" && <DeadView />}{place.tab === "checks" && <Checks />}{place.tab === "settings" && <Settings />}
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
        <p className="quiet" style={{ marginBottom: 12 }}>{s.running ? going(s) : s.total ? "Nothing is waiting." : "Nothing was added yet."} Workspace <span className="mono">{s.workspace}</span></p>
        {s.total > 0 && <div className="stack" role="img" aria-label={STATES.map((st) => `${stateName(st)}: ${s.states[st] ?? 0}`).join(", ")}>{STATES.map((st) => (s.states[st] ?? 0) > 0 && <i key={st} style={{ flexGrow: s.states[st], background: TONES[st] }} title={`${stateName(st)}: ${s.states[st]}`} />)}</div>}
        <div className="chips" style={{ marginTop: 12 }}>{STATES.filter((st) => (s.states[st] ?? 0) > 0).map((st) => <Link key={st} href={href("/documents", DOCUMENTS, { state: [st] })} className="chip off-plain"><StateBadge state={st} /><span className="n">{count(s.states[st] ?? 0)}</span></Link>)}</div>
      </section>
      {s.jobs.length > 0 && <section aria-label="Jobs under way"><JobList jobs={underWay(s.jobs)} /></section>}
      <WorkersCard status={s} />
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

/** Whether documents are read now, how fast, and when it will be over. */
function going(s: Status): string {
  const left = (s.states.queued ?? 0) + (s.states.running ?? 0);
  if (!s.jobs.some((j) => j.state === "running")) return s.jobs.some((j) => j.state === "paused") ? `Paused; ${count(left)} wait.` : `${count(left)} wait to be read.`;
  const told = [`${count(left)} to go`];
  if (s.rate_per_s != null) told.push(speed(s.rate_per_s));
  if (s.left_s != null) told.push(`${duration(s.left_s)} left`);
  return `Documents are being read now: ${told.join(", ")}.`;
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
