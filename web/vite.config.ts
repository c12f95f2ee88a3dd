/// <reference types="vitest/config" />
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const api = process.env.SALIENT_API ?? "http://127.0.0.1:8765";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: process.env.SALIENT_WEB_OUT ?? "../src/salient/interfaces/web/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // data: URLs would need a wider content security policy
    chunkSizeWarningLimit: 700,
    license: { fileName: "licences.md" }, // what is bundled must travel with its notices
  },
  server: { proxy: { "/v1": api } },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
});
