/** Who works now, at what, and what waits. Where no queue is used, the jobs' own processes do it. */
import type { Status } from "../api/types";
import { Time } from "../parts/parts";
import { count, duration, plural } from "../text/format";

export function WorkersCard({ status }: { status: Status }) {
  const { workers, busy, waiting } = status.workers;
  const queues = Object.entries(waiting ?? {});
  const local = status.jobs.flatMap((job) => (job.owner && job.state === "running" ? [job] : []));
  if (!workers.length && !busy.length && !queues.length && !local.length) return null;
  return (
    <section className="card" style={{ padding: 18 }} aria-label="Workers">
      <h2 style={{ marginBottom: 8 }}>{workers.length ? plural(workers.length, "worker") : "Work is done in local processes"}</h2>
      {workers.length > 0 && (
        <div className="wide-table"><table className="plain"><thead><tr><th>Worker</th><th>Queues</th><th className="right">At once</th><th>Since</th></tr></thead>
          <tbody>{workers.map((w) => <tr key={w.name}><td className="mono">{w.name}</td><td>{w.queues.join(", ")}</td><td className="right tnum">{count(w.slots)}</td><td className="quiet"><Time iso={w.since} /></td></tr>)}</tbody></table></div>
      )}
      <ul className="lines">
        {busy.map((b) => <li key={`${b.worker} ${b.item} ${b.n_items}`}><span className="mono">{b.worker}</span> is at {count(b.item)} of {plural(b.n_items, "item")} for {duration(b.seconds)}{b.waits && `, waits for ${b.waits}`}</li>)}
        {local.map((j) => <li key={j.id}><span className="mono">{(j.owner ?? "").split(":").slice(0, 2).join(":")}</span> {j.stage ? `is at ${j.stage}` : "begins"}{j.at && `, last ${j.at}`}</li>)}
        {queues.map(([queue, n]) => <li key={queue}>{n ? `${plural(n, "batch", "batches")} wait in ` : "Nothing waits in "}<span className="mono">{queue}</span></li>)}
      </ul>
    </section>
  );
}
