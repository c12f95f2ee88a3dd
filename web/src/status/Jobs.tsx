/** Long work: how far it is, how fast it goes, and the buttons that hold it, stop it and do it again. */
import { useState } from "react";
import { useAction, useJobs } from "../api/hooks";
import type { Job } from "../api/types";
import { Icon, type IconName } from "../parts/icons";
import { Empty, FaultCard, Skeleton, Time } from "../parts/parts";
import { messageOf } from "../shell/Drop";
import { count, duration, plural, speed } from "../text/format";

const LOOKS: Record<Job["state"], [string, string]> = {
  queued: ["idle", "Waiting"], running: ["busy live", "Running"], paused: ["warn", "Paused"],
  done: ["good", "Done"], failed: ["bad", "Failed"], cancelled: ["idle", "Stopped"],
};
const VERBS: Record<string, string> = {
  "documents.add": "Add documents", "documents.retry": "Read again", "documents.reindex": "Fill the index", "dead.retry": "Try again what was given up",
  "entities.import": "Import entities", "export.write": "Write an export", "plan.show": "Plan",
};
export const isOpen = (job: Job): boolean => job.state === "queued" || job.state === "running" || job.state === "paused";

/** Those under way, what runs before what waits. */
export const underWay = (jobs: readonly Job[]): Job[] => [...jobs.filter((j) => j.state !== "queued"), ...jobs.filter((j) => j.state === "queued").reverse()];

export function Jobs() {
  const jobs = useJobs();
  if (jobs.error) return <FaultCard error={jobs.error} retry={() => void jobs.refetch()} />;
  if (!jobs.data) return <Skeleton lines={5} />;
  if (!jobs.data.jobs.length) return <Empty icon="status" title="Nothing has run yet">Adding files starts a job; it appears here with how far it is.</Empty>;
  return <JobList jobs={jobs.data.jobs} />;
}

export function JobList({ jobs }: { jobs: readonly Job[] }) {
  const action = useAction(["jobs/list", "status/show"]);
  return (
    <div style={{ display: "grid", gap: 10 }}>
      {action.fault && <FaultCard error={action.fault} />}
      {jobs.map((job) => <JobCard key={job.id} job={job} act={(verb) => void action.act(`jobs/${verb}`, { id: job.id })} />)}
    </div>
  );
}

/** What stands beside a job's bar. */
export function pace(job: Job): string {
  const told: string[] = [];
  if (job.total != null && job.stage !== "add") told.push(`${count(job.done)} of ${plural(job.total, "document")}`);
  else if (job.total != null) told.push(`${plural(job.done, "document")} taken in`);
  if (job.rate_per_s != null) told.push(speed(job.rate_per_s));
  if (job.left_s != null) told.push(`${duration(job.left_s)} left`);
  return told.join(" · ");
}

function JobCard({ job, act }: { job: Job; act: (verb: string) => void }) {
  const [tone, name] = LOOKS[job.state];
  const unattended = isOpen(job) && job.state !== "paused" && !job.owner;
  return (
    <article className="card job">
      <div className="job-head">
        <b>{VERBS[job.service] ?? job.service}</b><span className={`state ${tone}`}>{name}</span>
        <span className="quiet tnum">{pace(job)}</span>
        <span className="grow" /><span className="quiet small">begun <Time iso={job.started_at} /></span>
        <JobButtons job={job} act={act} />
      </div>
      {isOpen(job) && <JobBar job={job} />}
      {job.state === "running" && job.at && job.stage && <p className="quiet small clip">{job.stage}: {job.at}</p>}
      {unattended && <p className="quiet small">No process has it now. It goes on as soon as one that serves, or the housekeeping, finds it.</p>}
      {job.attempts > 1 && <p className="quiet small">Begun {count(job.attempts)} times: its process ended, or a store was away.</p>}
      {job.retry_of && <p className="quiet small">Does again what job <span className="mono">{job.retry_of}</span> did not.</p>}
      {messageOf(job) && <p style={{ color: job.state === "failed" ? "var(--bad)" : undefined }}>{messageOf(job)}</p>}
      {job.reply && <details><summary className="quiet small" style={{ cursor: "pointer" }}>What it answered</summary><pre className="b-code">{JSON.stringify(job.reply, null, 1)}</pre></details>}
    </article>
  );
}

export function JobBar({ job }: { job: Job }) {
  const share = job.total && job.stage !== "add" ? job.done / job.total : null;
  const still = job.state !== "running";
  return (
    <div className={`bar${share === null && !still ? " unknown" : ""}${still ? " still" : ""}`} role="progressbar" aria-label="Progress" aria-valuemin={0} aria-valuemax={100} aria-valuenow={share === null ? undefined : Math.round(share * 100)}>
      <i style={{ width: share === null ? (still ? 0 : undefined) : `${share * 100}%` }} />
    </div>
  );
}

const BUTTONS: Record<string, [IconName, string, string]> = {
  pause: ["pause", "Pause", "Pausing"], resume: ["play", "Go on", "Going on"], cancel: ["close", "Stop", "Stopping"], retry: ["retry", "Do it again", "Asked"],
};

/** The buttons that fit a job's state. What was asked and not yet done is said instead of asked again. */
export function JobButtons({ job, act }: { job: Job; act: (verb: string) => void }) {
  const [asked, setAsked] = useState<string | null>(null);
  const verbs = isOpen(job) ? [job.state === "paused" || job.asked === "pause" ? "resume" : "pause", "cancel"] : job.state === "done" ? [] : ["retry"];
  return (
    <>
      {verbs.map((verb) => {
        const [icon, label, doing] = BUTTONS[verb]!;
        const pressed = job.asked === verb || asked === `${verb} ${job.state}`;
        return (
          <button key={verb} type="button" className="btn small" disabled={pressed || (verb !== "cancel" && job.asked === "cancel")} onClick={() => { setAsked(`${verb} ${job.state}`); act(verb); }}>
            <Icon name={icon} />{pressed ? doing : label}
          </button>
        );
      })}
    </>
  );
}
