// Before anything is painted: the theme that was chosen, so that a dark page never flashes white.
(() => {
  try {
    const theme = localStorage.getItem("evalhaven.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is refused: the system's theme holds.
  }
})();
