// Before anything is painted: the theme that was chosen, so that a dark page does not flash white.
"use strict";
(() => {
  let chosen = "auto";
  try { chosen = JSON.parse(window.localStorage.getItem("adminTheme")) || "auto"; } catch { /* nothing was chosen */ }
  const dark = chosen === "dark" || (chosen === "auto" && window.matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.toggle("dark", dark);
  document.documentElement.classList.add("scripted");
})();
