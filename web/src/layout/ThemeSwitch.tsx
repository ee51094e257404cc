import { useState } from "react";
import { Icon } from "@/parts/Icon";

const STORED = "evalhaven.theme";
const THEMES = ["automatic", "light", "dark"] as const;

type Theme = (typeof THEMES)[number];

/** Goes through the system's theme, light and dark; `public/theme.js` applies the choice before anything is painted. */
export function ThemeSwitch() {
  const [theme, setTheme] = useState<Theme>(
    () => (document.documentElement.dataset.theme as Theme) ?? "automatic",
  );
  const change = () => {
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "automatic";
    if (next === "automatic") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem(STORED);
    } else {
      document.documentElement.dataset.theme = next;
      localStorage.setItem(STORED, next);
    }
    setTheme(next);
  };
  return (
    <button
      type="button"
      className="button plain slim square"
      aria-label={`Theme: ${theme}`}
      title={`Theme: ${theme}`}
      onClick={change}
    >
      <Icon name="theme" />
    </button>
  );
}
