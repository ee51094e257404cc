// Before anything is painted: the theme that was chosen, so that a dark page never flashes white.
(() => {
  try {
    const theme = localStorage.getItem("evalhaven.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is refused: the system's theme holds.
  }
})();

// The icon's way is written from the address that was loaded; pages change the address, and browsers ask again.
(() => {
  const icon = document.querySelector('link[rel="icon"]');
  icon?.setAttribute("href", icon.href);
})();
