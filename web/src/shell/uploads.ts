/** Files on their way to the server. The state lives outside React, so that it survives changes of view. */
import { useSyncExternalStore } from "react";
import { faultFrom } from "../api/client";

export interface Batch {
  id: number;
  names: string[];
  bytes: number;
  sent: number;
  jobId: string | null;
  fault: string | null;
}
export interface Chosen { name: string; file: File }

const MAX_FILES = 100;
const MAX_BYTES = 128 * 1024 * 1024;

let batches: readonly Batch[] = [];
let serial = 0;
const listeners = new Set<() => void>();

function change(id: number, fields: Partial<Batch>): void {
  batches = batches.map((b) => (b.id === id ? { ...b, ...fields } : b));
  listeners.forEach((tell) => tell());
}

export const useBatches = (): readonly Batch[] =>
  useSyncExternalStore((tell) => (listeners.add(tell), () => listeners.delete(tell)), () => batches);

export function forgetBatches(): void {
  batches = batches.filter((b) => !b.jobId && !b.fault);
  listeners.forEach((tell) => tell());
}

/** Cut what was chosen into requests that are neither too many files nor too many bytes. */
export function batched<T extends { file: { size: number } }>(chosen: readonly T[], maxFiles = MAX_FILES, maxBytes = MAX_BYTES): T[][] {
  const out: T[][] = [];
  let bytes = 0;
  for (const one of chosen) {
    const last = out.at(-1);
    if (last && last.length < maxFiles && bytes + one.file.size <= maxBytes) last.push(one);
    else out.push([one]);
    bytes = out.at(-1)!.length === 1 ? one.file.size : bytes + one.file.size;
  }
  return out;
}

/** Send files; one batch after the other, so that a big folder does not take every connection. */
export async function send(chosen: readonly Chosen[]): Promise<void> {
  const waiting = batched(chosen).map((files) => {
    const batch: Batch = { id: ++serial, names: files.map((f) => f.name), bytes: files.reduce((n, f) => n + f.file.size, 0), sent: 0, jobId: null, fault: null };
    return { batch, files };
  });
  batches = [...waiting.map((w) => w.batch), ...batches].slice(0, 200);
  listeners.forEach((tell) => tell());
  for (const { batch, files } of waiting) await post(batch, files);
}

function post(batch: Batch, files: readonly Chosen[]): Promise<void> {
  return new Promise((resolve) => {
    const form = new FormData();
    for (const { name, file } of files) form.append("files", file, name);
    const request = new XMLHttpRequest(); // fetch cannot say how much was sent
    request.open("POST", "/v1/uploads");
    request.upload.onprogress = (event) => change(batch.id, { sent: event.lengthComputable ? (event.loaded / event.total) * batch.bytes : 0 });
    request.onload = () => {
      if (request.status >= 200 && request.status < 300)
        change(batch.id, { sent: batch.bytes, jobId: (JSON.parse(request.responseText) as { job_id: string }).job_id });
      else {
        const fault = faultFrom(request.status, request.responseText);
        change(batch.id, { fault: `${fault.message} ${fault.remedy}` });
      }
      resolve();
    };
    request.onerror = () => {
      change(batch.id, { fault: "The connection was cut before all was sent. Drop the files again: what arrived is not added twice." });
      resolve();
    };
    request.send(form);
  });
}

/** All files of a drop, folders walked through; names keep their path inside a dropped folder. */
export async function dropped(transfer: DataTransfer): Promise<Chosen[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((e) => e !== null && e !== undefined);
  if (!entries.length) return [...transfer.files].map((file) => ({ name: file.name, file }));
  const found: Chosen[] = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

async function walk(entry: FileSystemEntry, path: string, found: Chosen[]): Promise<void> {
  const name = path + entry.name;
  if (entry.isFile) {
    const file = await new Promise<File | null>((done) => (entry as FileSystemFileEntry).file(done, () => done(null)));
    if (file) found.push({ name, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A reader hands out at most 100 entries a call; an empty answer is the end.
    const some = await new Promise<FileSystemEntry[]>((done) => reader.readEntries(done, () => done([])));
    if (!some.length) return;
    for (const inner of some) await walk(inner, `${name}/`, found);
  }
}
