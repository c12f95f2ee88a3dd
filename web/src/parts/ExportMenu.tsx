import { Menu } from "@mantine/core";
import { exportUrl } from "../api/client";
import { plural } from "../text/format";
import { Icon } from "./icons";

const FORMS: Record<string, string> = {
  csv: "CSV", xlsx: "Excel", jsonl: "JSON lines", graphml: "GraphML", jsonld: "JSON-LD",
};

/** Takes exactly the rows that the list beside it shows. */
export function ExportMenu({ what, total, noun, many, filters = {}, forms = ["csv", "xlsx", "jsonl"], label = "Export" }: {
  what: string; total?: number; noun: string; many?: string; filters?: Record<string, string | undefined>; forms?: readonly string[]; label?: string;
}) {
  return (
    <Menu position="bottom-end" width={200}>
      <Menu.Target><button type="button" className="btn" disabled={total === 0}><Icon name="download" />{label}</button></Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{total === undefined ? `All ${many ?? `${noun}s`}` : `These ${plural(total, noun, many)}`}</Menu.Label>
        {forms.map((form) => <Menu.Item key={form} component="a" href={exportUrl(what, form, filters)} download>{FORMS[form]}</Menu.Item>)}
      </Menu.Dropdown>
    </Menu>
  );
}
