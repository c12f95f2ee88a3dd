// Plain accessibility checks, run in the page. Each returns a list of faults in words.
({
  unnamed() {
    const name = (e) => {
      const by = e.getAttribute("aria-labelledby");
      const label = e.id ? document.querySelector(`label[for="${CSS.escape(e.id)}"]`) : null;
      return (e.getAttribute("aria-label") || (by && document.getElementById(by)?.textContent) || label?.textContent || e.closest("label")?.textContent ||
        e.textContent || e.getAttribute("title") || e.querySelector("img[alt]")?.getAttribute("alt") || "").trim();
    };
    const wanted = "button, a[href], input:not([type=hidden]), select, textarea, [role=button], [role=tab], [role=radio], [role=region], [role=img], [role=progressbar], [role=dialog]";
    return [...document.querySelectorAll(wanted)].filter((e) => !e.hidden && e.getClientRects().length && !name(e)).map((e) => `no name: ${e.outerHTML.slice(0, 160)}`);
  },
  structure() {
    const faults = [];
    if (!document.documentElement.lang) faults.push("no language");
    if (document.querySelectorAll("main").length !== 1) faults.push("not one main");
    if (!document.querySelector("nav[aria-label]")) faults.push("no named navigation");
    for (const e of document.querySelectorAll("img:not([alt])")) faults.push(`no alt: ${e.src}`);
    for (const e of document.querySelectorAll("[tabindex]")) if (e.tabIndex > 0) faults.push(`tab order: ${e.outerHTML.slice(0, 120)}`);
    const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    for (const id of new Set(ids)) if (ids.filter((i) => i === id).length > 1) faults.push(`id twice: ${id}`);
    for (const e of document.querySelectorAll("[role=tablist]")) if (e.querySelectorAll("[role=tab][aria-selected=true]").length !== 1) faults.push("a tab list without one selected tab");
    for (const e of document.querySelectorAll("[role=list]")) if ([...e.children].some((c) => c.getAttribute("role") !== "listitem" && c.querySelector("[role=listitem]") === null && !c.querySelector("[role=status]"))) faults.push(`a list of no items: ${e.getAttribute("aria-label")}`);
    for (const e of document.querySelectorAll("button button, a a, button a, a button")) faults.push(`nested: ${e.outerHTML.slice(0, 120)}`);
    return faults;
  },
  contrast() {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const probe = document.createElement("span");
    document.body.append(probe);
    const shade = (token, hue) => {
      probe.className = hue ? `hue-${hue}` : "";
      probe.style.color = `var(${token})`;
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = getComputedStyle(probe).color;
      canvas.fillRect(0, 0, 1, 1);
      const light = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
    };
    const faults = [];
    const need = (front, back, hue, least = 4.5) => {
      const [a, b] = [shade(front, hue), shade(back, hue)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      if (ratio < least) faults.push(`${front} on ${back}${hue ? ` (${hue})` : ""}: ${ratio.toFixed(2)}`);
    };
    for (const back of ["--paper", "--panel", "--sunken", "--hover"]) for (const front of ["--ink", "--ink-2", "--ink-3", "--accent-2"]) need(front, back);
    for (const tone of ["good", "warn", "bad", "busy"]) need(`--${tone}`, `--${tone}-soft`);
    need("--accent", "--accent-soft");
    need("--accent-ink", "--accent");
    need("--accent-ink", "--accent-2");
    need("--ink", "--hit");
    need("--ink", "--accent-soft");
    need("--ink-3", "--accent-soft");
    for (const hue of ["rose", "blue", "green", "amber", "olive", "violet", "orange", "red", "teal", "plum", "grey"]) {
      need("--t-ink", "--t-soft", hue);
      need("--t-ink", "--t-mid", hue);
      need("--ink", "--t-soft", hue);
      need("--ink", "--t-mid", hue);
      need("--t-edge", "--panel", hue, 3);
    }
    probe.remove();
    return faults;
  },
})
