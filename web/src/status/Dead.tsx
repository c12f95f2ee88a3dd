/** What was given up: documents in quarantine, and calls that no worker could do. */
import { Link } from "wouter";
import { useAction, useCall } from "../api/hooks";
import type { Dead } from "../api/types";
import { Icon } from "../parts/icons";
import { Empty, FaultCard, leaf, Skeleton, Time } from "../parts/parts";
import { documentHref } from "../place/places";
import { plural } from "../text/format";

export default function DeadView() {
  const reply = useCall<Dead>("dead/list");
  const action = useAction(["dead/list", "jobs/list", "status/show"]);
  if (reply.error) return <FaultCard error={reply.error} retry={() => void reply.refetch()} />;
  if (!reply.data) return <Skeleton lines={5} />;
  const { documents, letters, n_documents, n_letters } = reply.data;
  if (!n_documents && !n_letters) return <Empty icon="check" title="Nothing was given up">A document that kills its worker time and again ends here, and so does a call that no worker could do.</Empty>;
  const retry = (body: object) => void action.act("jobs/dead/retry", body);
  return (
    <div style={{ display: "grid", gap: 22 }}>
      {action.fault && <FaultCard error={action.fault} />}
      {n_documents > 0 && (
        <section className="card" style={{ padding: 18 }} aria-label="Documents in quarantine">
          <div className="job-head" style={{ marginBottom: 8 }}><h2>{plural(n_documents, "document")} in quarantine</h2><span className="grow" />
            <button type="button" className="btn small" disabled={action.busy} onClick={() => retry({ documents: documents.map((d) => d.id) })}><Icon name="retry" />Read {n_documents > documents.length ? "these" : "all"} again</button></div>
          <div className="wide-table"><table className="plain"><thead><tr><th>Document</th><th>Why</th><th>Since</th><th /></tr></thead>
            <tbody>{documents.map((d) => <tr key={d.id}><td><Link href={documentHref(d.id)}>{leaf(d.name)}</Link></td><td>{d.reason}</td><td className="quiet"><Time iso={d.updated_at} /></td>
              <td className="right"><button type="button" className="btn small" aria-label={`Read ${leaf(d.name)} again`} disabled={action.busy} onClick={() => retry({ documents: [d.id] })}><Icon name="retry" />Read again</button></td></tr>)}</tbody></table></div>
        </section>
      )}
      {n_letters > 0 && (
        <section className="card" style={{ padding: 18 }} aria-label="Calls given up">
          <div className="job-head" style={{ marginBottom: 8 }}><h2>{plural(n_letters, "call")} given up</h2><span className="grow" />
            <button type="button" className="btn small" disabled={action.busy} onClick={() => retry({ letters: letters.map((l) => l.id) })}><Icon name="retry" />Call again</button>
            <button type="button" className="btn small bad" disabled={action.busy} onClick={() => void action.act("dead/clear", {})}><Icon name="trash" />Forget all</button></div>
          <div className="wide-table"><table className="plain"><thead><tr><th>Call</th><th>Why</th><th>Since</th></tr></thead>
            <tbody>{letters.map((l) => <tr key={l.id}><td className="mono" style={{ overflowWrap: "anywhere" }}>{l.handler}<br /><span className="quiet">{JSON.stringify(l.item)}</span></td><td>{l.message}<br /><span className="quiet small">{l.code}, tried {plural(l.attempts, "time")}{l.worker ? ` by ${l.worker}` : ""}</span></td><td className="quiet"><Time iso={l.at} /></td></tr>)}</tbody></table></div>
        </section>
      )}
    </div>
  );
}
