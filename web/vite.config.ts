import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = process.env.EVALHAVEN_URL ?? "http://127.0.0.1:8765";

export default defineConfig(({ command }) => ({
  // The server writes the way from each address to the files; api/place.ts reads from it where the pages are.
  base: command === "build" ? "./" : "/ui/",
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    target: "es2022",
    sourcemap: false,
    // The content security policy allows no data: addresses for scripts and styles.
    assetsInlineLimit: 0,
    rolldownOptions: { checks: { pluginTimings: false } },
    license: { fileName: "licenses.md" },
  },
  server: { proxy: { "/v1": server, "/api": server, "/openapi.json": server } },
}));
