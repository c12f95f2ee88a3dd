import { useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { Component, lazy, Suspense, useEffect, useState, type ReactNode } from "react";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";
import { useStatus } from "../api/hooks";
import { useLive, type Link as Liveness } from "../api/live";
import type { Status } from "../api/types";
import { Icon, type IconName } from "../parts/icons";
import { Empty, FaultCard, Skeleton } from "../parts/parts";
import { useKeys } from "../place/useKeys";
import { count, duration } from "../text/format";
import { DropAnywhere, Uploads } from "./Drop";
import { KeyHelp } from "./KeyHelp";

const VIEWS = {
  documents: () => import("../documents/Documents"), document: () => import("../document/DocumentView"), search: () => import("../search/Search"),
  ask: () => import("../ask/Ask"), entities: () => import("../entities/Entities"), entity: () => import("../entities/EntityView"),
  graph: () => import("../graph/Graph"), status: () => import("../status/StatusView"), help: () => import("../status/Help"),
};
const Documents = lazy(VIEWS.documents);
const DocumentView = lazy(VIEWS.document);
const Search = lazy(VIEWS.search);
const Ask = lazy(VIEWS.ask);
const Entities = lazy(VIEWS.entities);
const EntityView = lazy(VIEWS.entity);
const Graph = lazy(VIEWS.graph);
const StatusView = lazy(VIEWS.status);
const Help = lazy(VIEWS.help);

/** Fetch the other views while nothing else is done, so that no key or click has to wait for one. */
function useAllViews(): void {
  useEffect(() => {
    // One that fails now is asked for again, and told of, when it is opened.
    const idle = window.setTimeout(() => Object.values(VIEWS).forEach((view) => void view().catch(() => undefined)), 600);
    return () => window.clearTimeout(idle);
  }, []);
}

const NAV: readonly { to: string; name: string; icon: IconName; n?: (s: Status) => number }[] = [
  { to: "/documents", name: "Documents", icon: "documents", n: (s) => s.total },
  { to: "/search", name: "Search", icon: "search" },
  { to: "/ask", name: "Ask", icon: "ask" },
  { to: "/entities", name: "Entities", icon: "entities", n: (s) => s.n_entities },
  { to: "/graph", name: "Graph", icon: "graph" },
  { to: "/status", name: "Status", icon: "status" },
];

export function App() {
  const [path, navigate] = useLocation();
  const [help, setHelp] = useState(false);
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const link = useLive();
  const status = useStatus();
  useAllViews();
  const flip = () => setColorScheme(scheme === "dark" ? "light" : "dark");
  useKeys("everywhere", {
    help: () => setHelp(true),
    find: () => focusFind(navigate),
    goDocuments: () => navigate("/documents"), goSearch: () => navigate("/search"), goAsk: () => navigate("/ask"),
    goEntities: () => navigate("/entities"), goGraph: () => navigate("/graph"), goStatus: () => navigate("/status"),
    theme: flip,
  });
  useEffect(() => {
    const here = NAV.find((n) => path.startsWith(n.to));
    document.title = here ? `${here.name} · Salient` : "Salient";
  }, [path]);
  return (
    <div className="shell">
      <nav className="rail" aria-label="Main">
        <Link href="/documents" className="brand"><img src="/mark.svg" alt="" /><span>Salient</span></Link>
        {NAV.map((item) => (
          <Link key={item.to} href={item.to} className="nav" aria-current={path.startsWith(item.to) ? "page" : undefined} title={item.name} aria-label={item.name}>
            <Icon name={item.icon} /><span>{item.name}</span>
            {item.n && status.data ? <span className="n">{count(item.n(status.data))}</span> : null}
          </Link>
        ))}
        <div className="grow" />
        <Pulse status={status.data} link={link} />
        <Link href="/help" className="nav" aria-current={path.startsWith("/help") ? "page" : undefined} title="Help" aria-label="Help"><Icon name="help" /><span>Help</span><kbd className="kbd n">?</kbd></Link>
        <button type="button" className="nav" onClick={flip} aria-label={scheme === "dark" ? "Light colours" : "Dark colours"}>
          <Icon name={scheme === "dark" ? "sun" : "moon"} /><span>{scheme === "dark" ? "Light" : "Dark"}</span>
        </button>
      </nav>
      <main className="stage">
        <Guard key={path.split("/")[1]}>
          <Suspense fallback={<div style={{ padding: 24 }}><Skeleton /></div>}>
            <Switch>
              <Route path="/"><Redirect to="/documents" replace /></Route>
              <Route path="/documents" component={Documents} />
              <Route path="/documents/:id">{({ id }) => <DocumentView key={id} id={decodeURIComponent(id)} />}</Route>
              <Route path="/search" component={Search} />
              <Route path="/ask" component={Ask} />
              <Route path="/entities" component={Entities} />
              <Route path="/entities/:id">{({ id }) => <EntityView key={id} id={decodeURIComponent(id)} />}</Route>
              <Route path="/graph" component={Graph} />
              <Route path="/status" component={StatusView} />
              <Route path="/help" component={Help} />
              <Route><Empty icon="search" title="There is no such page" actions={<Link className="btn" href="/documents">Go to the documents</Link>} /></Route>
            </Switch>
          </Suspense>
        </Guard>
      </main>
      <Uploads />
      <DropAnywhere />
      <KeyHelp opened={help} onClose={() => setHelp(false)} />
    </div>
  );
}

function focusFind(navigate: (to: string) => void): void {
  const box = document.querySelector<HTMLInputElement>("[data-find]");
  if (box) { box.focus(); box.select(); } else navigate("/search");
}

/** What the server is busy with, in one small card. */
function Pulse({ status, link }: { status: Status | undefined; link: Liveness }) {
  if (!status) return link === "away" ? <div className="pulse" role="status">The server does not answer</div> : null;
  const { queued = 0, running = 0, failed = 0, quarantined = 0 } = status.states;
  const left = queued + running;
  if (!left && link === "live" && !(failed + quarantined)) return null;
  const share = status.total ? (status.total - left) / status.total : 1;
  const paused = status.jobs.some((job) => job.state === "paused") && !status.jobs.some((job) => job.state === "running");
  return (
    <div className="pulse" aria-live="polite">
      {left > 0 && <><b>{paused ? `Paused, ${count(left)} wait` : `Reading ${count(left)} more`}</b><div className="bar" role="progressbar" aria-label="Documents read" aria-valuenow={Math.round(share * 100)} aria-valuemin={0} aria-valuemax={100}><i style={{ width: `${share * 100}%` }} /></div>{status.left_s != null && <Link href="/status" className="quiet">{duration(status.left_s)} left</Link>}</>}
      {failed + quarantined > 0 && <Link href="/documents?state=failed&state=quarantined">{count(failed + quarantined)} could not be read</Link>}
      {link === "asking" && <span className="quiet">Live updates are cut; asking every few seconds</span>}
      {link === "away" && <span style={{ color: "var(--bad)" }}>The server does not answer. What is shown may be old.</span>}
    </div>
  );
}

/** Keeps a fault of one view from taking the page with it. */
class Guard extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: null as unknown };
  static getDerivedStateFromError(error: unknown) { return { error }; }
  override render() {
    if (this.state.error === null) return this.props.children;
    return <div style={{ padding: 24 }}><FaultCard error={this.state.error} retry={() => this.setState({ error: null })} /></div>;
  }
}
