/** Line icons on a grid of 14, drawn with the text's colour. */
const PATHS = {
  pass: "M2.5 7.4 5.8 10.6 11.5 3.7",
  fail: "M3.3 3.3l7.4 7.4M10.7 3.3l-7.4 7.4",
  error: "M7 2.2v5.9M7 11.1v.3",
  missing: "M4 7h6",
  evals: "M1.6 3.4 3 4.8 5 2.4M1.6 9.6 3 11 5 8.6M7.6 4h4.9M7.6 10h4.9",
  runs: "M4.2 2.6v8.8L11 7z",
  logs: "M2 3.2h10M2 7h10M2 10.8h6",
  files: "M3.2 1.6h4.6l3 3v7.8H3.2zM7.8 1.6v3h3",
  models: "M2 2.5h10v3.5H2zM2 8h10v3.5H2zM4.3 4.2h.01M4.3 9.8h.01",
  workers: "M4 4h6v6H4zM5.6 1.6V4M8.4 1.6V4M5.6 10v2.4M8.4 10v2.4M1.6 5.6H4M1.6 8.4H4M10 5.6h2.4M10 8.4h2.4",
  webhooks: "M4.6 9.4a2 2 0 1 1-2-2.6L5 3.4a2 2 0 1 1 3.4.4L10 7a2 2 0 1 1-.4 2.4z",
  settings:
    "M1.6 4h5.6M10.6 4h1.8M1.6 10h1.8M6.8 10h5.6M7.4 4a1.6 1.6 0 1 0 3.2 0 1.6 1.6 0 1 0-3.2 0M3.5 10a1.6 1.6 0 1 0 3.2 0 1.6 1.6 0 1 0-3.2 0",
  keys: "M1.8 9.4a2.8 2.8 0 1 0 5.6 0 2.8 2.8 0 1 0-5.6 0M6.6 7.4l5-5M9.4 4.6l1.8 1.8",
  projects: "M1.8 3.4h4l1.2 1.6h5.2v6.4H1.8z",
  limits: "M2 10.4a5 5 0 1 1 10 0M7 10.4 9.4 6.6M2 12.2h10",
  audit: "M3 1.6h8v10.8H3zM5 4.6h4M5 7h4M5 9.4h2",
  search: "M2.2 6a3.8 3.8 0 1 0 7.6 0 3.8 3.8 0 1 0-7.6 0M8.9 8.9l3.5 3.5",
  close: "M3.6 3.6l6.8 6.8M10.4 3.6l-6.8 6.8",
  link: "M5.8 8.4a2.5 2.5 0 0 0 3.6 0l1.9-1.9a2.5 2.5 0 0 0-3.6-3.6l-.7.8M8.2 5.6a2.5 2.5 0 0 0-3.6 0L2.7 7.5a2.5 2.5 0 0 0 3.6 3.6l.7-.8",
  copy: "M5 5h7v7H5zM9 5V2H2v7h3",
  more: "M3 7h.01M7 7h.01M11 7h.01",
  down: "M4 5.5l3 3 3-3",
  right: "M5.5 4l3 3-3 3",
  plus: "M7 2.6v8.8M2.6 7h8.8",
  again: "M11.5 7A4.5 4.5 0 1 1 10 3.7M10.5 1.4v2.7H7.8",
  swap: "M2 5h9.6L9 2.5M12 9H2.4L5 11.5",
  user: "M4.6 4.4a2.4 2.4 0 1 0 4.8 0 2.4 2.4 0 1 0-4.8 0M2.2 12.4c.4-2.4 2.2-3.6 4.8-3.6s4.4 1.2 4.8 3.6",
  members:
    "M3 4.6a2 2 0 1 0 4 0 2 2 0 1 0-4 0M1 11.6c.3-2.2 1.7-3.2 4-3.2s3.7 1 4 3.2M8.8 2.8a2 2 0 0 1 0 3.7M10.4 8.7c1.6.3 2.4 1.3 2.6 2.9",
  leave: "M5.4 2H2.2v10h3.2M5.6 7h6.6M9.6 4.2 12.4 7 9.6 9.8",
  theme: "M2.2 7a4.8 4.8 0 1 0 9.6 0 4.8 4.8 0 1 0-9.6 0M7 2.2v9.6",
  pin: "M5 1.8h4M5.6 2v3.6L3.8 8h6.4L8.4 5.6V2M7 8v4.2",
  download: "M7 2v6.6M4.2 6 7 8.8 9.8 6M2.4 11.8h9.2",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon beside its word; where it stands alone, its button has a label. */
export function Icon({ name, className = "" }: { name: IconName; className?: string }) {
  return (
    <svg className={`icon ${className}`} viewBox="0 0 14 14" aria-hidden="true">
      <path d={PATHS[name]} />
      {name === "theme" && <path d="M7 2.2a4.8 4.8 0 0 1 0 9.6z" fill="currentColor" />}
    </svg>
  );
}

export function Brand() {
  return (
    <svg
      width="16"
      height="16"
      viewBox="0 0 16 16"
      aria-hidden="true"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.75"
    >
      <path d="M2 8h12M4 5v6M12 5v6" />
      <circle cx="8" cy="8" r="2.2" fill="currentColor" stroke="none" />
    </svg>
  );
}
